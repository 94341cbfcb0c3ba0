import { canonicalForm } from '../evaluation/canonical.ts';
import type { LoggedDecision } from './logged-decision.ts';
import { keyOf, type Outcome, type RuleOutcome } from './outcome.ts';

/** What is otherwise than it was. */
export interface Change {
  readonly from: Outcome['verdict'];
  readonly to: Outcome['verdict'];
  readonly appeared: RuleOutcome[];
  readonly vanished: RuleOutcome[];
  /** `null` where they are as they were. */
  readonly figures: { readonly from: Outcome['figures']; readonly to: Outcome['figures'] } | null;
}

/** What `now` is otherwise than `then`; `null` if nothing is. */
export function changeOf(then: Outcome, now: Outcome): Change | null {
  const appeared = lackingIn(then, now);
  const vanished = lackingIn(now, then);
  const isOfFigures = canonicalForm(then.figures) !== canonicalForm(now.figures);
  if (then.verdict === now.verdict && appeared.length + vanished.length === 0 && !isOfFigures) return null;
  const figures = isOfFigures ? { from: then.figures, to: now.figures } : null;
  return { from: then.verdict, to: now.verdict, appeared, vanished, figures };
}

function lackingIn(one: Outcome, other: Outcome): RuleOutcome[] {
  const known = new Set(one.rules.map(keyOf));
  return other.rules.filter((each) => !known.has(keyOf(each)));
}

/** What is masked of these bears on no address. */
const NAMES = ['/ref', '/vm/name'];

/** Whether the address of `logged` is that of its input as it stands there. */
const isComparable = ({ masked = [] }: LoggedDecision): boolean => masked.every((pattern) => NAMES.includes(pattern));

/** Where a logged decision stands, and what its VM is called. */
export interface Example {
  readonly line: number;
  readonly ref?: string | undefined;
  readonly name?: string | undefined;
}

/** So many, and some of them. */
interface Tally {
  count: number;
  readonly examples: Example[];
}

const EXAMPLES_MAX = 3;

function count(tally: Tally, example: Example): void {
  tally.count++;
  if (tally.examples.length < EXAMPLES_MAX) tally.examples.push(example);
}

const newTally = (): Tally => ({ count: 0, examples: [] });

/** Rules that are counted, and what one may be called: more than there are. A line may name anything. */
const [RULES_MAX, KEY_MAX] = [4096, 256];

/** Decisions as they were and as they are, held against each other one by one. */
export class Comparison {
  #same = 0;
  #changed = 0;
  #errors = 0;
  readonly #ids = { same: 0, other: 0, masked: 0 };
  readonly #verdicts = new Map<string, Tally & Pick<Change, 'from' | 'to'>>();
  readonly #rules = new Map<string, RuleOutcome & { readonly appeared: Tally; readonly vanished: Tally }>();
  readonly #figures = newTally();

  /** Counts `logged`, of whose input `now` comes, with the address `decisionId`; says what changed, if anything did. */
  add(example: Example, logged: LoggedDecision, now: Outcome, decisionId: string): Change | null {
    const change = changeOf(logged, now);
    if (!isComparable(logged)) this.#ids.masked++;
    else if (logged.decisionId === decisionId) this.#ids.same++;
    else this.#ids.other++;
    const { verdict: from } = logged;
    const { verdict: to } = now;
    count(
      at(this.#verdicts, `${from} ${to}`, () => ({ from, to, ...newTally() })),
      example,
    );
    if (change === null) {
      this.#same++;
      return null;
    }
    this.#changed++;
    for (const key of ['appeared', 'vanished'] as const) {
      for (const each of change[key]) count(this.#ofRule(each)[key], example);
    }
    if (change.figures) count(this.#figures, example);
    return change;
  }

  /** Counts a line that could not be decided again. */
  refuse(): void {
    this.#errors++;
  }

  /** What it all comes to; most frequent first. */
  totals() {
    const byCount = (a: Tally, b: Tally): number => b.count - a.count;
    const weight = (rule: { appeared: Tally; vanished: Tally }): number => rule.appeared.count + rule.vanished.count;
    return {
      lines: this.#same + this.#changed + this.#errors,
      same: this.#same,
      changed: this.#changed,
      errors: this.#errors,
      decisionIds: this.#ids,
      verdicts: [...this.#verdicts.values()].toSorted(byCount),
      rules: [...this.#rules.values()].toSorted((a, b) => weight(b) - weight(a)),
      figures: this.#figures,
    };
  }

  #ofRule(each: RuleOutcome) {
    const key = keyOf(each);
    const make = () => ({ ...each, appeared: newTally(), vanished: newTally() });
    const isCounted = this.#rules.has(key) || (this.#rules.size < RULES_MAX && key.length <= KEY_MAX);
    return isCounted ? at(this.#rules, key, make) : make();
  }
}

function at<T>(map: Map<string, T>, key: string, make: () => T): T {
  const found = map.get(key) ?? make();
  map.set(key, found);
  return found;
}
