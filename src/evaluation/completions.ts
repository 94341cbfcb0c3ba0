import { type Pointer, valueAt, withValueAt, withValues } from '../descriptor/pointer.ts';
import { questionAt } from '../descriptor/questions.ts';
import type { Descriptor } from '../descriptor/schema.ts';
import { type Finding, isUndecided } from '../rules/finding.ts';
import type { Trials } from './trials.ts';
import { attainableVerdicts, decidingOf, type KnownVerdict, settledVerdict, verdicts } from './verdict.ts';

/** A completion that was tried: what was filled in, and the verdict that it came to. */
interface Tried {
  readonly filled: ReadonlyMap<Pointer, unknown>;
  readonly verdict: KnownVerdict;
  /** Those of `filled` that something is taken for granted of while they are missing: nobody may ever ask for them. */
  readonly granted: readonly Pointer[];
}

/** Verdicts that a fact decides by itself, by its value, whatever else is still missing. */
type Decided = Map<Pointer, ReadonlyMap<unknown, KnownVerdict>>;

/** Every value of a missing fact is listed from the best to the worst, about. */
const [BEST, WORST] = [0, -1] as const;

/**
 * What may come of a descriptor once the facts that it leaves open are known. Two guesses, all for the best and all for the
 * worst, tell most without a search.
 */
export class Completions {
  readonly #descriptor: Descriptor;
  readonly #findings: readonly Finding[];
  readonly #trials: Trials;
  readonly #settled: KnownVerdict | null;
  readonly #tried: Tried[] = [];
  readonly #decided: Decided;

  /** `findings` are all that there are in `descriptor` as it is. */
  constructor(descriptor: Descriptor, findings: readonly Finding[], trials: Trials, decided: Decided = new Map()) {
    this.#descriptor = descriptor;
    this.#findings = findings;
    this.#trials = trials;
    this.#decided = decided;
    this.#settled = settledVerdict(findings);
  }

  /** The verdicts that there can be, best first. */
  verdicts(): KnownVerdict[] {
    if (this.#settled) return [this.#settled];
    const met = new Set<KnownVerdict>();
    for (const end of [BEST, WORST]) this.#guess(end, met);
    this.#search(met, verdicts.length, '');
    return verdicts.filter((verdict) => met.has(verdict));
  }

  /** The verdict whatever is still missing; `null` where that matters, or was too much to try. */
  verdict(): KnownVerdict | null {
    return this.#settled ?? this.#only(new Set(), '');
  }

  /** {@link verdict} if the fact at `pointer`, which is missing, is `value`. */
  verdictWith(pointer: Pointer, value: unknown): KnownVerdict | null {
    /** What was met already if that is so, by completions whose granted facts are asked for. */
    const metWhere = (isAsked: (fact: Pointer) => boolean): Set<KnownVerdict> => {
      const isPossible = ({ filled, granted }: Tried): boolean =>
        filled.get(pointer) === value && granted.every((each) => each === pointer || isAsked(each));
      return new Set(this.#tried.filter(isPossible).map(({ verdict }) => verdict));
    };
    if (metWhere(() => false).size > 1) return null;
    const completed = withValueAt(this.#descriptor, pointer, value);
    const found = this.#judge(this.#findings, completed, [pointer]);
    if (!found) return null;
    const missing = missingIn(found);
    const met = metWhere((fact) => missing.has(fact));
    const rest = new Completions(completed, found, this.#trials, this.#decided);
    const verdict = rest.#settled ?? rest.#only(met, pointer.slice(0, pointer.lastIndexOf('/') + 1));
    for (const each of rest.#tried) this.#tried.push({ ...each, filled: new Map(each.filled).set(pointer, value) });
    if (verdict) this.#decided.set(pointer, new Map(this.#decided.get(pointer)).set(value, verdict));
    return verdict;
  }

  /** What is found in `completed`, which has the facts of `filled` beside those of the descriptor in which `before` was found. */
  #judge(before: readonly Finding[], completed: Descriptor, filled: Iterable<Pointer>): readonly Finding[] | null {
    for (const pointer of filled) {
      const isMore = !isGranted(pointer) && valueAt(this.#descriptor, pointer) === undefined;
      if (!isMore) return this.#trials.judge(completed);
    }
    return this.#trials.judge(completed, before);
  }

  /** The one verdict that there is beside those that were `met`; `null` if there are several. */
  #only(met: Set<KnownVerdict>, below: Pointer): KnownVerdict | null {
    for (const end of met.has('allowed') ? [WORST, BEST] : [BEST, WORST]) {
      if (met.size < 2) this.#guess(end, met);
    }
    if (met.size < 2) this.#search(met, 2, below);
    const [only, other] = met;
    return other ? null : (only ?? null);
  }

  /** Adds to `met` the verdict if every missing fact has the first or the last of its values. */
  #guess(end: typeof BEST | typeof WORST, met: Set<KnownVerdict>): void {
    const filled = new Map<Pointer, unknown>();
    let [completed, found] = [this.#descriptor, this.#findings];
    let verdict = this.#settled;
    while (verdict === null) {
      const missing = missingIn(found);
      for (const pointer of missing) filled.set(pointer, this.#trials.valuesAt(pointer).at(end));
      completed = withValues(
        completed,
        [...missing].map((pointer) => ({ pointer, to: filled.get(pointer) })),
      );
      const next = this.#judge(found, completed, missing);
      if (!next) return;
      found = next;
      verdict = settledVerdict(found);
    }
    this.#tried.push({ filled, verdict, granted: [...filled.keys()].filter(isGranted) });
    met.add(verdict);
  }

  /**
   * Adds to `met` the verdicts that there can be, until it holds `enough`.
   *
   * A fact that decides nothing is never varied: the search takes a fact that an undecided rule lacks, one `below` that
   * pointer first, judges the descriptor with each of its values, and goes on from there, unless no verdict can come of it
   * that was not met before. Past what it may spend it calls possible what cannot be ruled out.
   */
  #search(met: Set<KnownVerdict>, enough: number, below: Pointer): void {
    const search = (completed: Descriptor, found: readonly Finding[]): void => {
      const settled = settledVerdict(found);
      if (settled) {
        met.add(settled);
        return;
      }
      const attainable = attainableVerdicts(found);
      /** What may come of it that was not met before, as long as that is of interest. */
      const wanted = (): KnownVerdict[] => (met.size >= enough ? [] : [...attainable].filter((each) => !met.has(each)));
      if (wanted().length === 0) return;
      const pointer = this.#next(decidingOf(found, wanted()), below);
      for (const value of this.#trials.valuesAt(pointer)) {
        if (wanted().length === 0) return;
        const decided = this.#decided.get(pointer)?.get(value);
        if (decided) {
          met.add(decided);
          continue;
        }
        const next = withValueAt(completed, pointer, value);
        const then = this.#judge(found, next, [pointer]);
        if (then) search(next, then);
        else for (const verdict of attainable) met.add(verdict);
      }
    };
    search(this.#descriptor, this.#findings);
  }

  /**
   * A fact that one of `findings` lacks. First come facts of the same thing, `below` that pointer, of which all values but
   * one decide by themselves; then which QEMU it is, on which most depends; then what else is below, what else is as good as
   * decided, and the rest in QEMU's order, so that refusals come first.
   */
  #next(findings: readonly Finding[], below: Pointer): Pointer {
    let [qemu, near, narrow, any]: (Pointer | undefined)[] = [];
    // Spelt out: of many devices the same facts are missing many times.
    for (const { lacks } of findings) {
      for (const pointer of lacks) {
        const isNear = pointer.startsWith(below);
        if (isNear && this.#isNarrow(pointer)) return pointer;
        if (pointer.endsWith('/qemu')) qemu ??= pointer;
        if (isNear) near ??= pointer;
        else if (this.#isNarrow(pointer)) narrow ??= pointer;
        any ??= pointer;
      }
    }
    const next = qemu ?? near ?? narrow ?? any;
    if (next === undefined) throw new Error('an undecided verdict lacks nothing');
    return next;
  }

  /** Whether all values but one of the fact at `pointer` decide by themselves. */
  #isNarrow(pointer: Pointer): boolean {
    const decided = this.#decided.get(pointer);
    return decided !== undefined && this.#trials.valuesAt(pointer).length - decided.size < 2;
  }
}

/** Whether something is taken for granted of the fact at `pointer` while it is missing. */
const isGranted = (pointer: Pointer): boolean => questionAt(pointer).granted !== undefined;

/** What is missing to know what comes of `findings`. */
function missingIn(findings: readonly Finding[]): Set<Pointer> {
  const missing = new Set<Pointer>();
  for (const finding of findings) if (isUndecided(finding)) for (const pointer of finding.lacks) missing.add(pointer);
  return missing;
}
