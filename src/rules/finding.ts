import type { Known } from '../descriptor/fact.ts';
import type { Side } from '../descriptor/host.ts';
import type { Pointer } from '../descriptor/pointer.ts';
import type { Effect, RuleDescription, SiteEffect } from './rule.ts';

/** Where a human reads a message: when the VM starts, in `query-migrate`, or as the error of `migrate`. */
export type Reporter = 'start' | 'query-migrate' | 'migrate';

/** When it comes to pass, in the order of time. */
export const phases = ['start', 'migrate-command', 'tracking-start', 'mid-migration', 'silent'] as const;
export type Phase = (typeof phases)[number];

/** What a finding tells of its rule, QEMU's or the site's. */
export type FindingRule = Omit<RuleDescription, 'effect'>;

/** What something is found of, other than the VM: a device, by its id, or a disk, by the name of its node. */
export interface Subject {
  readonly id: string;
  /** Where it stands in the descriptor. */
  readonly pointer: Pointer;
}

/** What a rule says of the VM, or of one thing in it. */
export interface Finding {
  readonly rule: FindingRule;
  readonly outcome: 'fires' | 'unknown' | 'contradicted' | 'clear';
  readonly effect: Effect | SiteEffect;
  readonly host: Side;
  /** Id of the device, or the node of the disk; `undefined` for the VM. */
  readonly device: string | undefined;
  /** Where that stands in the descriptor; `undefined` for the VM. */
  readonly place: Pointer | undefined;
  /** Where it is said: nowhere for what QEMU keeps to itself or never comes to say. */
  readonly reportedBy: readonly Reporter[];
  /** The rule at which QEMU stops before it comes to this one; `undefined` for none. */
  readonly shadowedBy: string | undefined;
  readonly messages: {
    readonly start?: string;
    readonly queryMigrate?: string;
    readonly migrate?: string;
    /** The site's own words, of what its policy finds. */
    readonly site?: string;
  };
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
  /** The site takes it upon itself, so that it does not count. */
  readonly accepted?: Acceptance;
  /** The figure that is held against a limit of the site. */
  readonly held?: Held;
}

/** Who accepts a risk, why, and until when: to the end of a day (`2026-12-31`, UTC), or to a moment. */
export interface Acceptance {
  readonly by: string;
  readonly why: string;
  readonly until: string;
}

/** A predicted figure, at most and at least, and the most that the site allows of it, inclusive. */
interface Held {
  readonly figure: string;
  readonly value: bigint;
  readonly atLeast: bigint;
  readonly limit: bigint;
}

/** When QEMU, or nobody, says it. */
export function phaseOf({
  effect,
  rule,
}: {
  readonly effect: Finding['effect'];
  readonly rule: Pick<RuleDescription, 'fails'>;
}): Phase {
  switch (effect) {
    case 'start-failure':
    case 'warning':
      return 'start';
    case 'blocker':
    case 'site-refusal':
    case 'site-risk':
      return 'migrate-command';
    case 'migration-failure':
      return rule.fails ?? 'mid-migration';
    case 'no-convergence':
      return 'mid-migration';
    case 'data-loss':
      return 'silent';
  }
}

/** Whether it is so, and not accepted: by our rules unless QEMU says otherwise, or because QEMU says so. */
export const counts = ({ outcome, seen, accepted }: Finding): boolean =>
  (outcome === 'fires' || seen) && accepted === undefined;

/** Whether it is not known and, if it is so, counts. */
export const isUndecided = ({ outcome, accepted }: Finding): boolean => outcome === 'unknown' && accepted === undefined;

/** Whether the VM or its migration is refused over this whatever the guest does, by QEMU or by the site. */
export const isRefusal = ({ effect, rule }: Pick<Finding, 'effect' | 'rule'>): boolean =>
  effect === 'start-failure' ||
  effect === 'blocker' ||
  effect === 'site-refusal' ||
  (effect === 'migration-failure' && rule.trigger === undefined);
