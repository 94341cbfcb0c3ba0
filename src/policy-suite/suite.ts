import * as z from 'zod';
import { closest } from 'fastest-levenshtein';
import { lazy } from '../descriptor/lazy.ts';
import { causes, verdicts } from '../evaluation/verdict.ts';
import { validators } from '../http/validation.ts';
import { readYaml, type YamlFile } from '../http/yaml-file.ts';
import { policyRuleIds } from '../policy/policy.ts';
import { catalogue } from '../rules/recognise.ts';

const rules = z.array(z.string()).optional();
const vm = z.record(z.string(), z.unknown());

const expectation = z
  .strictObject({
    verdict: z.enum([...verdicts, 'unknown']).optional(),
    because: z.array(z.enum(causes)).optional(),
    /** Rules that fire and are not accepted. */
    fires: rules,
    /** Rules that do not fire, accepted or not, and are not left open. */
    quiet: rules,
    unknown: rules,
    /** Rules that fire and are accepted. */
    accepted: rules,
    /** A part of what the site says, by rule. */
    says: z.record(z.string(), z.string()).optional(),
  })
  .meta({ minProperties: 1 });

const suite = z.strictObject({
  /** Path of the policy, from here. */
  policy: z.string(),
  /** When it is; by default when it is run. */
  at: z.string().optional(),
  /** A descriptor, or a part of one, over which what is given in each test is laid. */
  base: vm.optional(),
  tests: z
    .array(
      z.strictObject({
        name: z.string(),
        /** Path of a libvirt domain, a QEMU command line, a KubeVirt object or a descriptor, in place of the base. */
        document: z.string().optional(),
        given: vm.optional(),
        /** Pointers to what is left out. */
        without: z.array(z.string()).optional(),
        expect: expectation,
      }),
    )
    .min(1),
});

export type Suite = z.infer<typeof suite>;
export type Test = Suite['tests'][number];
export type Expectation = Test['expect'];

const validate = lazy(() => {
  const { $schema: _draft, ...schema } = z.toJSONSchema(suite);
  return validators([])({ schema });
});

/** A file of tests, and where in it each thing stands. */
export interface SuiteFile {
  readonly suite: Suite;
  readonly lineOf: YamlFile['lineOf'];
}

/**
 * The tests that `text` says, in YAML.
 * @throws Error naming every line that is wrong.
 */
export function parseSuite(text: string): SuiteFile {
  const { content, wrong, lineOf } = readYaml(text);
  const judged = validate()(content);
  if (judged !== true) throw wrong(judged.error.places);
  const read = content as Suite;
  if (read.at !== undefined && Number.isNaN(Date.parse(read.at)))
    throw wrong([{ pointer: '/at', detail: 'is no time' }]);
  return { suite: read, lineOf };
}

/** What of `expected` names rules that there are none of, beside `own` ones of the policy. */
export function unknownRules(expected: Expectation, own: readonly string[]): string[] {
  const known = [...catalogue.map(({ id }) => id), ...policyRuleIds, ...own];
  const { fires = [], quiet = [], unknown = [], accepted = [], says = {} } = expected;
  const named = new Set([...fires, ...quiet, ...unknown, ...accepted, ...Object.keys(says)]);
  return [...named]
    .filter((id) => !known.includes(id))
    .map((id) => `there is no rule "${id}"; the nearest is "${closest(id, known)}"`);
}
