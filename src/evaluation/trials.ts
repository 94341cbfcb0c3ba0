import type { Pointer } from '../descriptor/pointer.ts';
import { questionAt } from '../descriptor/questions.ts';
import type { Descriptor } from '../descriptor/schema.ts';
import type { SitePolicy } from '../policy/site-policy.ts';
import type { Finding } from '../rules/finding.ts';
import { findingsOf } from './findings.ts';

/** Disks, or devices that are no VFIO devices, of which judging so many costs as much as judging one. */
const OTHERS_A_COST = 4;

/** What one search may spend. */
export const BUDGET = 1100;

/**
 * Descriptors that are judged to see what comes of them, with facts filled in or changed: as many as one request may pay
 * for. Judging one device, or one run of mappings, on one host costs 1.
 */
export class Trials {
  readonly #policy: SitePolicy | null;
  #left: number;
  readonly #whole: Trials | undefined;

  constructor(policy: SitePolicy | null, left = BUDGET, whole?: Trials) {
    this.#policy = policy;
    this.#left = left;
    this.#whole = whole;
  }

  /** Trials that may cost `left`, which is paid by these, too. */
  within(left: number): Trials {
    return new Trials(this.#policy, left, this);
  }

  /**
   * What is found in `descriptor`; `null` where there is nothing left to pay for that. `before` is what was found in one that
   * says less, and nothing else.
   */
  judge(descriptor: Descriptor, before?: readonly Finding[]): readonly Finding[] | null {
    return this.#spend(costOf(descriptor)) ? findingsOf(descriptor, this.#policy, before) : null;
  }

  /** Every value of the fact at `pointer` that makes a difference to the rules or to the site. */
  valuesAt(pointer: Pointer): readonly unknown[] {
    const { values } = questionAt(pointer);
    const more = this.#policy?.valuesAt(pointer) ?? [];
    if (more.length === 0) return values;
    // The first and the last are taken for the best and the worst.
    return [...values.slice(0, -1), ...more.filter((value) => !values.includes(value)), ...values.slice(-1)];
  }

  get isSpent(): boolean {
    return this.#left < 0 || this.#whole?.isSpent === true;
  }

  #spend(cost: number): boolean {
    this.#left -= cost;
    const isAffordable = this.#whole ? this.#whole.#spend(cost) : true;
    return isAffordable && this.#left >= 0;
  }
}

function costOf({ vm, destination }: Descriptor): number {
  const cost = vm.vfio.reduce((sum, { mappings = [] }) => sum + 1 + mappings.length, 0);
  const others = Math.ceil(((vm.otherDevices?.length ?? 0) + (vm.disks?.length ?? 0)) / OTHERS_A_COST);
  return Math.max(cost + others, 1) * (destination ? 2 : 1);
}

/** What an answer says when its trials were not enough. */
export const TOO_MUCH_UNKNOWN = 'too much is unknown to try every completion: what was not tried counts as possible';
