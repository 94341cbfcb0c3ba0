import type { Known } from '../descriptor/fact.ts';
import type { Side } from '../descriptor/host.ts';
import type { Pointer } from '../descriptor/pointer.ts';
import type { Effect, RuleDescription } from './rule.ts';

/** Where a human reads a message: when the VM starts, in `query-migrate`, or as the error of `migrate`. */
export type Reporter = 'start' | 'query-migrate' | 'migrate';

/** When it comes to pass, in the order of time. */
export const phases = ['start', 'migrate-command', 'tracking-start', 'mid-migration', 'silent'] as const;
export type Phase = (typeof phases)[number];

/** What a rule says of the VM, or of one thing in it. */
export interface Finding {
  readonly rule: RuleDescription;
  readonly outcome: 'fires' | 'unknown' | 'contradicted' | 'clear';
  readonly effect: Effect;
  readonly host: Side;
  /** Id of the device, or the node of the disk; `undefined` for the VM. */
  readonly device: string | undefined;
  /** Where it is said: nowhere for what QEMU keeps to itself or never comes to say. */
  readonly reportedBy: readonly Reporter[];
  /** The rule at which QEMU stops before it comes to this one; `undefined` for none. */
  readonly shadowedBy: string | undefined;
  readonly messages: { readonly start?: string; readonly queryMigrate?: string; readonly migrate?: string };
  /** What it rests on. */
  readonly basis: Known<unknown>;
  /** QEMU itself reports it. */
  readonly seen: boolean;
  /** Said once for all devices. */
  readonly once: boolean;
  /** Found in `vfio_migration_realize`, which stops at its first refusal. */
  readonly inRealize: boolean;
  /** Said once all devices are there. */
  readonly late: boolean;
  /** What is missing, of an unknown outcome. */
  readonly lacks: readonly Pointer[];
}

/** When QEMU, or nobody, says it. */
export function phaseOf({
  effect,
  rule,
}: {
  readonly effect: Effect;
  readonly rule: Pick<RuleDescription, 'fails'>;
}): Phase {
  switch (effect) {
    case 'start-failure':
    case 'warning':
      return 'start';
    case 'blocker':
      return 'migrate-command';
    case 'migration-failure':
      return rule.fails ?? 'mid-migration';
    case 'no-convergence':
      return 'mid-migration';
    case 'data-loss':
      return 'silent';
  }
}

/** Whether it is so: by our rules unless QEMU says otherwise, or because QEMU says so. */
export const counts = ({ outcome, seen }: Finding): boolean => outcome === 'fires' || seen;

/** Whether QEMU, on finding this, refuses the VM or its migration whatever the guest does. */
export const isRefusal = ({ effect, rule }: Finding): boolean =>
  effect === 'start-failure' || effect === 'blocker' || (effect === 'migration-failure' && rule.trigger === undefined);
