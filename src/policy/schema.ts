import * as z from 'zod';
import { guestEvents } from '../descriptor/migration.ts';
import { descriptor, host, LABELS_MAX, name, size } from '../descriptor/schema.ts';
import { changes } from '../rules/change.ts';

/** The one source of the policy file's type and of its JSON Schema. */

const verdict = z
  .enum(['allowed', 'risky', 'blocked'])
  .describe('What it makes of the migration where nothing worse is found; "allowed": no more than a warning.');
const backend = z.enum(['legacy', 'iommufd']).optional().describe('Default: whatever the backend.');
const text = z.string().min(1).max(1024);

/** Characters of an expression. */
const EXPRESSION_MAX = 2048;

const ofFigure = <Figure extends string, Most extends z.ZodType>(figures: readonly [Figure, ...Figure[]], most: Most) =>
  z.strictObject({ figure: z.enum(figures), most, backend, verdict });

const limit = z
  .discriminatedUnion('figure', [
    ofFigure(
      ['largestBitmap', 'totalBitmap', 'trackingMemory', 'dirtyBytesPerPass'],
      size.describe('Bytes, inclusive.'),
    ),
    ofFigure(['unmapCalls'], z.int().min(0)),
    ofFigure(['downtimeMs'], z.int().min(0)).extend({
      bandwidth: size.describe('Bytes a second that a migration gets, where the request does not say.'),
    }),
  ])
  .meta({
    id: 'PolicyLimit',
    description:
      'The most of a predicted figure that the site allows. A figure that depends on the guest is a range: all of it ' +
      'above the limit has the verdict, and a part of it at most "risky".',
  });

const rule = z
  .strictObject({
    id: z
      .string()
      .regex(/^site-[a-z0-9]+(?:-[a-z0-9]+)*$/)
      .max(64)
      .meta({ title: 'a name such as "site-no-dirty-rate"' }),
    title: text.optional().describe('Default: the id.'),
    each: z.enum(['vm', 'device', 'container']).optional().describe('What it is asked of, once each. Default: vm.'),
    when: z.string().min(1).max(EXPRESSION_MAX).describe('In CEL: fires where it is true.'),
    verdict,
    message: text.describe('What stands in braces is CEL, too: "{vm.viommu.model} on QEMU {source.qemu}".'),
    liftedBy: z.array(z.enum(changes)).max(16).optional().describe('Changes that a remedy may try.'),
  })
  .meta({ id: 'PolicyRule' });

const acceptance = z
  .strictObject({
    rule: name.optional(),
    trigger: z.enum(guestEvents).optional(),
    device: name.optional().describe('Id of a device.'),
    labels: z
      .record(name, z.string().max(256))
      .meta({ maxProperties: LABELS_MAX })
      .optional()
      .describe('Labels that the VM has, these and perhaps others.'),
    by: text,
    why: text,
    until: z
      .string()
      .regex(/^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}:\d{2}(?:\.\d{1,3})?(?:Z|[+-]\d{2}:\d{2}))?$/)
      .meta({ title: 'the last day, such as 2026-12-31 (UTC), or the moment at which it ends, 2026-12-31T18:00:00Z' }),
  })
  .meta({
    id: 'PolicyAcceptance',
    description: 'Findings that the site takes upon itself: those that fit everything that is said here.',
  });

const facts = host.omit({ profile: true });

const defaults = z
  .strictObject({
    migration: descriptor.shape.migration,
    source: facts.optional(),
    destination: facts.optional().describe('Of destinations that a request names.'),
    hosts: z
      .record(name, facts)
      .optional()
      .describe(
        'Host profiles by name, for `?source=`, `?destination=` and `profile`; before those of the file of host profiles.',
      ),
  })
  .meta({
    id: 'PolicyDefaults',
    description:
      'Facts that are true of this site where a request, and the host profile that it names, do not say otherwise. ' +
      'Devices of a host are listed by id, by address on the host, or as "*".',
  });

export const policyContent = z
  .strictObject({
    version: z.literal(1),
    limits: z.array(limit).max(64).optional(),
    rules: z.array(rule).max(256).optional(),
    accept: z.array(acceptance).max(1024).optional(),
    defaults: defaults.optional(),
  })
  .meta({ id: 'Policy', description: 'What a site says beyond QEMU.' });

export type PolicyContent = z.infer<typeof policyContent>;
export type LimitContent = NonNullable<PolicyContent['limits']>[number];
export type RuleContent = NonNullable<PolicyContent['rules']>[number];
export type AcceptanceContent = NonNullable<PolicyContent['accept']>[number];
export type DefaultsContent = NonNullable<PolicyContent['defaults']>;
