import type { Reading } from '../descriptor/fact.ts';
import type { Side } from '../descriptor/host.ts';
import type { Pointer } from '../descriptor/pointer.ts';
import type { Effect, Rule } from './rule.ts';

/** Where a human reads a message: when the VM starts, in `query-migrate`, or as the error of `migrate`. */
export type Reporter = 'start' | 'query-migrate' | 'migrate';

/** What a rule says of one device, or of the VM. */
export interface Finding {
  readonly rule: Rule;
  readonly outcome: 'fires' | 'unknown' | 'clear';
  readonly effect: Effect;
  readonly host: Side;
  /** Id of the device; absent for the VM. */
  readonly device?: string;
  /** Where it is said: nowhere for what QEMU keeps to itself or never comes to say. */
  readonly reportedBy: readonly Reporter[];
  /** The rule at which QEMU stops before it comes to this one. */
  readonly shadowedBy?: string;
  readonly messages: { readonly start?: string; readonly queryMigrate?: string; readonly migrate?: string };
  readonly evidence: readonly Reading[];
  /** Said once for all devices. */
  readonly once?: true;
  /** Said outside a device's realize function, once all devices are there. */
  readonly outsideRealize?: true;
  /** What is missing, of an unknown outcome. */
  readonly lacks: readonly Pointer[];
}

/** Whether QEMU, on finding this, refuses the VM or its migration before anything was copied. */
export const isRefusal = ({ effect, rule }: Finding): boolean =>
  effect === 'start-failure' || effect === 'blocker' || (effect === 'migration-failure' && rule.trigger === undefined);
