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

/** A value and what it rests on: one reading, one other fact, or several. */
export interface Known<T> {
  readonly known: true;
  readonly value: T;
  readonly from: Reading | Known<unknown> | readonly Known<unknown>[];
}

/** No value: what is missing to have one. */
export interface Unknown {
  readonly known: false;
  readonly lacks: readonly Pointer[];
}

export type Fact<T> = Known<T> | Unknown;

/** A three-valued truth (Kleene): true, false or unknown. */
export type Truth = Fact<boolean>;

/** False by definition, resting on nothing. */
export const no: Known<boolean> = { known: true, value: false, from: [] };

/** A value that was read at `pointer`. */
export function read<T>(pointer: Pointer, value: T, origin: Origin, basis?: string): Known<T> {
  const reading = basis === undefined ? { pointer, value, origin } : { pointer, value, origin, basis };
  return { known: true, value, from: reading };
}

/** A value that has no place in a descriptor. */
export const constant = <T>(value: T): Known<T> => ({ known: true, value, from: [] });

/** No value for want of what belongs at `pointer`. */
export const lacking = (...pointers: readonly Pointer[]): Unknown => ({ known: false, lacks: pointers });

const isKnown = <T>(fact: Fact<T>): fact is Known<T> => fact.known;

/** True if all are; false if one is, resting on that one alone; else unknown. */
export function all(...truths: readonly Truth[]): Truth {
  for (const truth of truths) if (truth.known && !truth.value) return truth;
  return together(truths, true);
}

/** True if one is, resting on that one alone; false if none is; else unknown. */
export function any(...truths: readonly Truth[]): Truth {
  for (const truth of truths) if (truth.known && truth.value) return truth;
  return together(truths, false);
}

function together(truths: readonly Truth[], value: boolean): Truth {
  const [first] = truths;
  if (truths.length === 1 && first) return first;
  if (truths.every(isKnown)) return { known: true, value, from: truths };
  const lacks = new Set<Pointer>();
  for (const truth of truths) if (!truth.known) for (const pointer of truth.lacks) lacks.add(pointer);
  return { known: false, lacks: [...lacks] };
}

/** `f` of the value, if there is one. */
export const map = <A, B>(fact: Fact<A>, f: (value: A) => B): Fact<B> =>
  fact.known ? { known: true, value: f(fact.value), from: fact } : fact;

export const not = (truth: Truth): Truth => map(truth, (value) => !value);

/** Whether the value is one of `values`. */
export const is = <T>(fact: Fact<T>, ...values: readonly T[]): Truth => map(fact, (value) => values.includes(value));

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
  const entries = Object.entries(facts);
  const lacks = entries.flatMap(([, fact]) => (fact.known ? [] : fact.lacks));
  if (lacks.length > 0) return { known: false, lacks };
  const known = entries as [string, Known<unknown>][];
  const value = Object.fromEntries(known.map(([key, fact]) => [key, fact.value]));
  return { known: true, value: value as Values<F>, from: known.map(([, fact]) => fact) };
}

/** Everything that `fact` rests on, each place once, in the order it was consulted. */
export function evidence(fact: Known<unknown>): Reading[] {
  const readings = new Map<Pointer, Reading>();
  const visit = ({ from }: Known<unknown>): void => {
    if ('pointer' in from) readings.set(from.pointer, from);
    else if ('known' in from) visit(from);
    else for (const each of from) visit(each);
  };
  visit(fact);
  return [...readings.values()];
}
