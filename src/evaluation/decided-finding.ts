import { evidence, type Reading } from '../descriptor/fact.ts';
import type { Pointer } from '../descriptor/pointer.ts';
import type { Descriptor } from '../descriptor/schema.ts';
import { type Finding, phaseOf } from '../rules/finding.ts';
import { amount } from './costs.ts';
import type { DecidedFinding } from './decision.ts';
import { liftable } from './remedies.ts';

const NO_SITE: ReadonlySet<Pointer> = new Set();

/** `finding` of `descriptor`, of which `site` was not given by the caller, as a decision shows it. */
export function decided(finding: Finding, descriptor: Descriptor, site = NO_SITE): DecidedFinding {
  const { rule, outcome, effect, host, device, reportedBy, shadowedBy, messages, basis, held, accepted } = finding;
  return {
    rule: rule.id,
    outcome,
    effect,
    ...(rule.trigger && { trigger: rule.trigger }),
    phase: phaseOf(finding),
    layer: rule.layer,
    host,
    ...(device !== undefined && { device }),
    reportedBy: [...reportedBy],
    ...(shadowedBy !== undefined && { shadowedBy }),
    confidence: rule.source.confidence,
    messages,
    ...(held && {
      held: {
        figure: held.figure,
        value: amount(held.value),
        atLeast: amount(held.atLeast),
        limit: amount(held.limit),
      },
    }),
    ...(accepted && { accepted: { ...accepted } }),
    evidence: evidence(basis).map((reading) => shown(reading, site)),
    liftedBy: liftable(descriptor, finding),
  };
}

const shown = (reading: Reading, site: ReadonlySet<Pointer>): Reading => ({
  ...reading,
  value: printable(reading.value),
  origin: reading.origin === 'given' && site.has(reading.pointer) ? 'site' : reading.origin,
});

/** JSON has no bigint: whole numbers up to 2^53 − 1, hex above. */
function printable(value: unknown): unknown {
  if (typeof value !== 'bigint') return value;
  return value <= Number.MAX_SAFE_INTEGER ? Number(value) : `0x${value.toString(16)}`;
}
