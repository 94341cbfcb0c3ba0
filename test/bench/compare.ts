import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { quantile } from './statistics.ts';

/** One way of doing a job. It prepares its input, if it needs a fresh one, outside of the time that is taken. */
export interface Alternative<Input> {
  readonly name: string;
  readonly prepare?: () => Input;
  /** Does the job and returns what all alternatives must agree on. */
  readonly run: (input: Input) => unknown;
}

/** Milliseconds that one alternative took: the median of all rounds, the least and the most. */
export interface Timing {
  readonly name: string;
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

/** What a row of the table says: how the first of `timings` compares with each other one, or a figure of its own. */
export interface Row {
  readonly job: string;
  readonly timings: readonly Timing[];
  /** What a timing is divided by for the table, and what it then is the time of. */
  readonly each: { readonly of: number; readonly unit: string };
  /** What is held against the goal, as it prints. */
  readonly ratios: readonly string[];
  readonly goal: string;
  /** How many times as much as the goal allows, or as little as it asks for: up to 1 it is met. Null: there is no goal. */
  readonly excess: number | null;
}

/** A figure that stands alone. */
export const ALONE = { timings: [], each: { of: 1, unit: '' } };

/** A linear congruential generator of 32 bits: the same numbers in each run. */
export function numbers(seed: number): () => number {
  let state = seed;
  return () => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0);
}

setFlagsFromString('--expose-gc');
/** Collects garbage, so that no alternative pays for what another left behind. */
export const collectGarbage = runInNewContext('gc') as () => void;

interface Rounds {
  readonly rounds: number;
  readonly warmUp: number;
}

/**
 * Times `alternatives` against one another: each once a round, in turn, so that what else the machine does meets all of
 * them; the first `warmUp` rounds do not count. A job shorter than the clock's noise is to repeat itself.
 *
 * @throws Error when two of them come to different results.
 */
export function compare<Input>(
  alternatives: readonly Alternative<Input>[],
  { rounds, warmUp, clock = () => performance.now() }: Rounds & { readonly clock?: () => number },
): Timing[] {
  const taken = alternatives.map((): number[] => []);
  for (let round = 0; round < warmUp + rounds; round++) {
    const results = alternatives.map(({ prepare, run }, index) => {
      const input = prepare?.() as Input;
      collectGarbage();
      const start = clock();
      const result = run(input);
      const milliseconds = clock() - start;
      if (round >= warmUp) taken[index]?.push(milliseconds);
      return String(result);
    });
    if (new Set(results).size > 1) throw new Error(`alternatives differ: ${results.join(', ')}`);
  }
  return alternatives.map(({ name }, index) => timingOf(name, taken[index] as number[]));
}

/** The timing of what took so many milliseconds, round by round. */
export const timingOf = (name: string, taken: readonly number[]): Timing => ({
  name,
  median: quantile(taken, 0.5),
  least: quantile(taken, 0),
  most: quantile(taken, 1),
});

/** One way of doing a job that tells itself what it took. */
export interface Measured {
  readonly name: string;
  /** Milliseconds that what the table counts took once. */
  readonly measure: () => Promise<number>;
}

/** As {@link compare}, of what other processes do. */
export async function compareMeasured(ways: readonly Measured[], { rounds, warmUp }: Rounds): Promise<Timing[]> {
  const taken = ways.map((): number[] => []);
  for (let round = 0; round < warmUp + rounds; round++) {
    for (const [index, { measure }] of ways.entries()) {
      const milliseconds = await measure();
      if (round >= warmUp) taken[index]?.push(milliseconds);
    }
  }
  return ways.map(({ name }, index) => timingOf(name, taken[index] as number[]));
}

/** Milliseconds of CPU that this process took so far, collecting garbage included, whatever else the machine does. */
export function cpuClock(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/**
 * A way of doing in this process what takes CPU. What it needs is prepared outside of the time that is taken; garbage is
 * collected when V8 likes, since whatever code it had compiled for objects that are all dead by then it must compile anew.
 */
export const inProcess = <Input>(name: string, prepare: () => Input, run: (input: Input) => void): Measured => ({
  name,
  measure: () => {
    const input = prepare();
    const start = cpuClock();
    run(input);
    return Promise.resolve(cpuClock() - start);
  },
});
