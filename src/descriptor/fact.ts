import type { Pointer } from './pointer.ts';

/** Where a value comes from: the caller, the site, a default, other facts, or a table that ends before this version. */
export const origins = ['given', 'site', 'default', 'derived', 'extrapolated'] as const;
export type Origin = (typeof origins)[number];

/** One thing that was read to reach an answer. */
export interface Reading {
  readonly pointer: Pointer;
  readonly value: unknown;
  readonly origin: Origin;
  /** What a default is a default of, or what a derived value was derived from. */
  readonly basis?: string;
}

/** A value that stands, or would stand, at member `field` of what `parent` points at. */
interface Read<T> {
  readonly known: true;
  readonly value: T;
  readonly parent: Pointer;
  readonly field: string;
  readonly origin: Origin;
  readonly basis: string | undefined;
}

/** A value that follows from others, or from none by definition. */
interface Derived<T> {
  readonly known: true;
  readonly value: T;
  readonly from: Known<unknown> | readonly Known<unknown>[];
}

/** A value and what it rests on. {@link evidence} tells what that is; nobody who does not ask pays for it. */
export type Known<T> = Read<T> | Derived<T>;

/** No value: what is missing to have one. */
export interface Unknown {
  readonly known: false;
  readonly lacks: readonly Pointer[];
}

export type Fact<T> = Known<T> | Unknown;

/** A three-valued truth (Kleene): true, false or unknown. */
export type Truth = Fact<boolean>;

/** A value that was read at member `field` (one or more reference tokens) of what `parent` points at. */
export const read = <T>(parent: Pointer, field: string, value: T, origin: Origin, basis?: string): Known<T> => ({
  known: true,
  value,
  parent,
  field,
  origin,
  basis,
});

const NOTHING: readonly Known<unknown>[] = [];

/** A value that has no place in a descriptor. */
export const constant = <T>(value: T): Known<T> => ({ known: true, value, from: NOTHING });

/** False by definition, resting on nothing. */
export const no: Known<boolean> = constant(false);

/** True by definition, resting on nothing. */
export const yes: Known<boolean> = constant(true);

/** No value for want of what belongs at `pointer`. */
export const lacking = (...pointers: readonly Pointer[]): Unknown => ({ known: false, lacks: pointers });

/** Whether `truth` is known to be true. */
export const isTrue = (truth: Truth): boolean => truth.known && truth.value;

/** Whether `truth` is known to be false. */
export const isFalse = (truth: Truth): boolean => truth.known && !truth.value;

/** Whether `fact` is known to be `value`. */
export const isKnownToBe = <T>(fact: Fact<T>, value: T): boolean => fact.known && fact.value === value;

/** True if all are; false if one is, resting on that one alone; else unknown. */
export function all(...truths: readonly Truth[]): Truth {
  for (const truth of truths) if (truth.known && !truth.value) return truth;
  return together(truths, true);
}

/** {@link all} of a truth and of more, which nobody works out where the first is false already. */
export const allOf = (first: Truth, more: () => Truth): Truth => (isFalse(first) ? first : all(first, more()));

/** True if one is, resting on that one alone; false if none is; else unknown. */
export function any(...truths: readonly Truth[]): Truth {
  for (const truth of truths) if (truth.known && truth.value) return truth;
  return together(truths, false);
}

function together(truths: readonly Truth[], value: boolean): Truth {
  const [first] = truths;
  if (truths.length === 1 && first) return first;
  return unknownOf(truths) ?? { known: true, value, from: truths as readonly Known<boolean>[] };
}

/** What `facts` lack together, each place once; `null` where all are known. Facts that lack the same often are one object. */
export function unknownOf(facts: readonly Fact<unknown>[]): Unknown | null {
  let first: Unknown | null = null;
  let lacks: Set<Pointer> | undefined;
  for (const fact of facts) {
    if (fact.known || fact === first) continue;
    if (first) {
      lacks ??= new Set(first.lacks);
      for (const pointer of fact.lacks) lacks.add(pointer);
    } else first = fact;
  }
  return lacks ? { known: false, lacks: [...lacks] } : first;
}

/** `f` of the value, if there is one. */
export const map = <A, B>(fact: Fact<A>, f: (value: A) => B): Fact<B> =>
  fact.known ? { known: true, value: f(fact.value), from: fact } : fact;

export const not = (truth: Truth): Truth => (truth.known ? { known: true, value: !truth.value, from: truth } : truth);

/** Whether the value is one of `values`. */
export const is = <T>(fact: Fact<T>, ...values: readonly T[]): Truth =>
  fact.known ? { known: true, value: values.includes(fact.value), from: fact } : fact;

/** The fact that follows from the value, resting on both; unknown where either is. */
export function choose<A, B>(fact: Fact<A>, f: (value: A) => Fact<B>): Fact<B> {
  if (!fact.known) return fact;
  const next = f(fact.value);
  return next.known ? { known: true, value: next.value, from: [fact, next] } : next;
}

type Values<F extends Readonly<Record<string, Fact<unknown>>>> = {
  readonly [Key in keyof F]: F[Key] extends Fact<infer T> ? T : never;
};

/** All of `facts` as one, or what they lack together. */
export function record<F extends Readonly<Record<string, Fact<unknown>>>>(facts: F): Fact<Values<F>> {
  // Spelt out: every decision makes some of these.
  const from: Known<unknown>[] = [];
  const value: Record<string, unknown> = {};
  for (const key of Object.keys(facts)) {
    const fact = facts[key] as Fact<unknown>;
    if (!fact.known) return unknownOf(Object.values(facts)) as Unknown;
    from.push(fact);
    value[key] = fact.value;
  }
  return { known: true, value: value as Values<F>, from };
}

/** Everything that `fact` rests on, each place once, in the order it was consulted. */
export function evidence(fact: Known<unknown>): Reading[] {
  const readings = new Map<Pointer, Reading>();
  const visited = new Set<Known<unknown>>();
  const visit = (known: Known<unknown>): void => {
    if (visited.has(known)) return;
    visited.add(known);
    if ('field' in known) {
      const { parent, field, value, origin, basis } = known;
      const pointer = `${parent}/${field}`;
      readings.set(pointer, { pointer, value, origin, ...(basis !== undefined && { basis }) });
    } else if ('known' in known.from) visit(known.from);
    else for (const each of known.from) visit(each);
  };
  visit(fact);
  return [...readings.values()];
}
