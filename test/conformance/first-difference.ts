/** `true` when both lists are alike, else a sentence on the first row that is not. */
export function firstDifference(what: string, actual: readonly string[], expected: readonly string[]): true | string {
  const row = Math.max(actual.length, expected.length);
  for (let i = 0; i < row; i++) {
    if (actual[i] !== expected[i]) return `${what} ${i}: ${actual[i] ?? 'none'}, not ${expected[i] ?? 'any'}`;
  }
  return true;
}
