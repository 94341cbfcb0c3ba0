/** A released version, as far as behaviour depends on it. */
export interface Version {
  readonly major: number;
  readonly minor: number;
  readonly micro: number;
}

const DOTTED = /(?<major>\d{1,4})\.(?<minor>\d{1,4})(?:\.(?<micro>\d{1,6}))?/;

/** The smallest and largest number that libvirt's way to write a version makes: 1.0.0 and 999.999.999. */
export const PACKED_MIN = 1_000_000;
export const PACKED_MAX = 999_999_999;

/**
 * The version in `text` as people write it: "10.2.2", "8.2", "qemu-kvm-9.1.0-15.el9", "1:11.1.3+ds-1" (the epoch does
 * not count), "6.12.107+deb13-amd64", or libvirt's 10002002, a number or a string. `null` when there is none.
 */
export function parseVersion(text: string | number): Version | null {
  const packed = typeof text === 'number' || /^\d{7,9}$/.test(text) ? Number(text) : null;
  if (packed !== null) {
    return { major: Math.floor(packed / 1e6), minor: Math.floor(packed / 1e3) % 1e3, micro: packed % 1e3 };
  }
  const groups = DOTTED.exec(String(text).replace(/^\d+:/, ''))?.groups;
  if (!groups) return null;
  return { major: Number(groups['major']), minor: Number(groups['minor']), micro: Number(groups['micro'] ?? 0) };
}

/** Whether `version` is `release` ("major.minor") or later; the micro number does not count. */
export function isAtLeast({ major, minor }: Version, release: Release): boolean {
  const dot = release.indexOf('.');
  const first = Number(release.slice(0, dot));
  return major > first || (major === first && minor >= Number(release.slice(dot + 1)));
}

/** A version that opened a release series: "11.0". */
export type Release = `${number}.${number}`;
