import type { BehaviourName } from '../simulator/index.ts';
import { NEWEST_QEMU, OLDEST_QEMU, qemuSince } from './qemu.ts';
import { isAtLeast, parseVersion, type Release, type Version } from './version.ts';

/** Releases from `since`, inclusive, to `until`, exclusive; without it, to the newest that is known and on. */
export interface Releases {
  readonly since: Release;
  readonly until?: Release | undefined;
}

/** Orders releases, the oldest first. */
const compare = (a: Release, b: Release): number => (isAtLeast(parseVersion(a) as Version, b) ? 1 : -1);

/** The releases of QEMU in which `behaviour` has `value`; `null` for a patch that no release carried. */
export function releasesOf(behaviour: BehaviourName, value: string): Releases | null {
  const table: Readonly<Record<string, Release | null>> = qemuSince[behaviour];
  const since = table[value];
  if (since === null || since === undefined) return null;
  const [until] = Object.values(table)
    .filter((release) => release !== null && release !== since && compare(release, since) > 0)
    .toSorted((a, b) => compare(a as Release, b as Release));
  return { since, ...(until && { until }) };
}

/** Every release series of QEMU that is known, ascending: three a year, .0 to .2. */
export const qemuSeries: readonly Release[] = (() => {
  const series: Release[] = [OLDEST_QEMU];
  for (let last = OLDEST_QEMU; last !== NEWEST_QEMU; series.push(last)) {
    const { major, minor } = parseVersion(last) as Version;
    last = minor < 2 ? `${major}.${minor + 1}` : `${major + 1}.0`;
  }
  return series;
})();

/** `series`, some of {@link qemuSeries}, as ranges. */
export function rangesOf(series: ReadonlySet<Release>): Releases[] {
  const ranges: Releases[] = [];
  for (const [index, release] of qemuSeries.entries()) {
    const isIn = series.has(release);
    const wasIn = index > 0 && series.has(qemuSeries[index - 1] as Release);
    if (isIn && !wasIn) ranges.push({ since: release });
    if (!isIn && wasIn) ranges.push({ since: (ranges.pop() as Releases).since, until: release });
  }
  return ranges;
}

/** Some of {@link qemuSeries} in words: "8.1 to 10.2", "9.2", "11.0 and later". */
export function releasesText({ since, until }: { since: string; until?: string | undefined }): string {
  if (!until) return `${since} and later`;
  const last = qemuSeries[qemuSeries.indexOf(until as Release) - 1] as Release;
  return last === since ? since : `${since} to ${last}`;
}
