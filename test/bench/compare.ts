import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

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

setFlagsFromString('--expose-gc');
/** Collects garbage, so that no alternative pays for what another left behind. */
export const collectGarbage = runInNewContext('gc') as () => void;

/**
 * Times `alternatives` against one another: each once a round, in turn, so that what else the machine does meets all of
 * them; the first `warmUp` rounds do not count. A job shorter than the clock's noise is to repeat itself.
 *
 * @throws Error when two of them come to different results.
 */
export function compare<Input>(
  alternatives: readonly Alternative<Input>[],
  { rounds, warmUp }: { readonly rounds: number; readonly warmUp: number },
): Timing[] {
  const taken = alternatives.map((): number[] => []);
  for (let round = 0; round < warmUp + rounds; round++) {
    const results = alternatives.map(({ prepare, run }, index) => {
      const input = prepare?.() as Input;
      collectGarbage();
      const start = performance.now();
      const result = run(input);
      const milliseconds = performance.now() - start;
      if (round >= warmUp) taken[index]?.push(milliseconds);
      return String(result);
    });
    if (new Set(results).size > 1) throw new Error(`alternatives differ: ${results.join(', ')}`);
  }
  return alternatives.map(({ name }, index) => {
    const sorted = (taken[index] as number[]).toSorted((a, b) => a - b);
    return {
      name,
      median: sorted[sorted.length >> 1] as number,
      least: sorted[0] as number,
      most: sorted.at(-1) as number,
    };
  });
}
