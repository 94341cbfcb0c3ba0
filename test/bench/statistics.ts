/** The value below which `share` of `numbers` are. */
export function quantile(numbers: readonly number[], share: number): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[Math.floor(share * (sorted.length - 1))] ?? Number.NaN;
}

/** By how much `values` grow with each one of `at`, by least squares; without `at` they are one apart. */
export function slope(values: readonly number[], at: readonly number[] = [...values.keys()]): number {
  const mean = (all: readonly number[]): number => all.reduce((sum, each) => sum + each, 0) / all.length;
  const [x, y] = [mean(at), mean(values)];
  const covariance = mean(at.map((each, index) => (each - x) * ((values[index] as number) - y)));
  return covariance / mean(at.map((each) => (each - x) ** 2));
}
