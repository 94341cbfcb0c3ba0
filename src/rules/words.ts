import type { Fact } from '../descriptor/fact.ts';

/** What stands in a template for each name in braces. */
export type Parameters = Readonly<Record<string, string | null | undefined>>;

/** `template` with what stands in braces replaced. */
export const fill = (template: string, parameters: Parameters): string =>
  template.replace(/\{(\w+)\}/g, (whole, key: string) => parameters[key] ?? whole);

/** A number that QEMU names, which is known by the time that it does. */
export const numeral = (fact: Fact<number> | undefined): string => (fact?.known ? String(fact.value) : '…');

/** What QEMU puts before the reason why a VFIO device cannot be realized. */
export const realizeError = (device: string, reason: string): string => `vfio ${device}: ${reason}`;

/** What becomes of a migration blocker when QEMU runs with `-only-migratable`. */
export const onlyMigratableError = (reason: string): string =>
  `disallowing migration blocker (--only-migratable) for: ${reason}`;

/** A warning as QEMU prints it. */
export const warning = (reason: string): string => `warning: ${reason}`;

/** What QEMU says of a device whose state it cannot save. */
export const unmigratableWords = {
  message: 'non-migratable device: {device}',
  migrateMessage: "State blocked by non-migratable device '{device}'",
  onlyMigratableMessage: 'Device {type} is not migratable, but --only-migratable was specified',
} as const;
