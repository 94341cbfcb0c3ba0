import { verdicts } from '../evaluation/verdict.ts';

const names = [...verdicts, 'unknown'];
const one = `(?:${names.join('|')})`;

/** A query parameter that lists verdicts. */
export const verdictList = (description: string, example: string): object => ({
  type: 'string',
  pattern: `^${one}(?:,${one})*$`,
  title: `verdicts with commas between, of ${names.join(', ')}`,
  description,
  examples: [example],
});
