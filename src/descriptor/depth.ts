/** Objects and lists in one another: several times what is nested most deeply, the buses that QEMU lists. */
export const DEPTH_MAX = 128;

/** Whether members of members go deeper than {@link DEPTH_MAX}; said without going there. */
export function isTooDeep(value: unknown): boolean {
  let level: readonly unknown[] = [value];
  for (let depth = 0; depth < DEPTH_MAX && level.length > 0; depth++) {
    level = level.flatMap((each) => (typeof each === 'object' && each !== null ? Object.values(each) : []));
  }
  return level.length > 0;
}
