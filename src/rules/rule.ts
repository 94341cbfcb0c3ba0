import type { Container } from '../descriptor/container.ts';
import type { Device } from '../descriptor/device.ts';
import type { Truth } from '../descriptor/fact.ts';
import type { GuestEvent } from '../descriptor/migration.ts';
import type { Disk, OtherDevice } from '../descriptor/other-device.ts';
import type { Scenario } from '../descriptor/scenario.ts';
import type { BehaviourName, Behaviours } from '../simulator/index.ts';
import type { Change } from './change.ts';
import type { Parameters } from './words.ts';

/** What comes of it when a rule fires. */
export const effects = [
  'start-failure',
  'blocker',
  'migration-failure',
  'data-loss',
  'no-convergence',
  'warning',
] as const;
export type Effect = (typeof effects)[number];

/** What comes of it when the site's own policy fires, beside a warning. */
export const siteEffects = ['site-refusal', 'site-risk'] as const;
export type SiteEffect = (typeof siteEffects)[number];

/** Who refuses. */
export const layers = ['device', 'kernel', 'qemu', 'libvirt', 'policy'] as const;
type Layer = (typeof layers)[number];

/** What a rule about one VFIO device looks at. */
export interface DeviceHere extends Scenario {
  readonly device: Device;
  readonly container: Container;
}

/** What a rule about the devices of one container looks at. */
export interface ContainerHere extends Scenario {
  readonly container: Container;
}

/** What a rule about a device that is no VFIO device looks at. */
export interface OtherHere extends Scenario {
  readonly other: OtherDevice;
}

/** What a rule about a disk image looks at. */
export interface DiskHere extends Scenario {
  readonly disk: Disk;
}

/**
 * When a rule fires, and QEMU's words for it, with what stands in braces filled in; `null` where QEMU says nothing.
 * `{device}` is the name of the VFIO device; other names are `parameters`.
 */
export interface Case<Here> {
  readonly holds: (here: Here) => Truth;
  readonly message: string | null;
  /** What `migrate` says instead, of a blocker. */
  readonly migrateMessage?: string;
  /** What QEMU says instead as it starts with `-only-migratable`, of a blocker. */
  readonly onlyMigratableMessage?: string;
  readonly parameters?: (here: Here) => Parameters;
  /** QEMU says it once for all devices, not once a device. */
  readonly once?: true;
  /** Said outside the device's realize function, so that QEMU puts no `vfio {device}: ` before it. */
  readonly outsideRealize?: true;
  /** Said as a property of the device is set, without that prefix. */
  readonly beforeRealize?: true;
}

/** What separates one QEMU from another here: a case by value of the behaviour; of any other value QEMU never says this. */
interface Keyed<Here, Name extends BehaviourName> {
  readonly behaviour: Name;
  readonly cases: { readonly [Value in Behaviours[Name]]?: Case<Here> };
  readonly always?: undefined;
}

/** Every QEMU says the same. */
interface Always<Here> {
  readonly always: Case<Here>;
  readonly behaviour?: undefined;
  readonly cases?: undefined;
}

/** What is said of a rule, whatever it is about. */
export interface RuleDescription {
  /** URL and metric label; never changes. */
  readonly id: string;
  readonly title: string;
  /** Why it is so, in two sentences or three. */
  readonly why: string;
  readonly layer: Layer;
  /** By `enable-migration` where that decides; `auto` stands for any QEMU in which it is a boolean. */
  readonly effect: Effect | { readonly auto: Effect; readonly on: Effect };
  /** When a migration fails that QEMU had accepted; in its midst unless said otherwise. */
  readonly fails?: 'migrate-command' | 'tracking-start';
  /** What must happen for a hazard to come true. */
  readonly trigger?: GuestEvent;
  /** The hazard needs no migration: a refusal does not keep it from happening. */
  readonly withoutMigration?: true;
  /** The migration modes in which a blocker holds: all, unless QEMU adds it for one, or for cpr-transfer and cpr-exec. */
  readonly modes?: 'normal' | 'cpr-transfer';
  /** Nothing of it can be true of a device that is not behind a vIOMMU. */
  readonly behindViommu?: true;
  /** The refusal is not a blocker that was added but a device whose state cannot be saved, which outranks all blockers. */
  readonly vmState?: true;
  /** The blocker is added once the VM runs, too late for `-only-migratable` to keep QEMU from starting. */
  readonly whileRunning?: true;
  /** What it means where only the destination's QEMU says it; a blocker is a warning there unless this says more. */
  readonly atDestination?: Effect;
  /** Other lines that logs carry for it: what goes with the message, and words of patches that no release had. */
  readonly wordings?: readonly string[];
  /** Device models, one of which its words name where other rules have the same words. */
  readonly models?: readonly string[];
  readonly liftedBy: readonly Change[];
  /** Whether a rule about other devices is about those of this model. */
  readonly isAbout?: (type: string) => boolean;
  readonly source: { readonly confidence: 'confirmed' | 'inferred'; readonly read: readonly string[] };
}

export type RuleAbout<Here, Name extends BehaviourName = BehaviourName> = RuleDescription &
  (Keyed<Here, Name> | Always<Here>);

export type VmRule = RuleAbout<Scenario>;
export type DeviceRule = RuleAbout<DeviceHere>;
export type ContainerRule = RuleAbout<ContainerHere>;
export type OtherRule = RuleAbout<OtherHere>;
export type DiskRule = RuleAbout<DiskHere>;
export type Rule = VmRule | DeviceRule | ContainerRule | OtherRule | DiskRule;

/** What nothing in a descriptor tells in advance; known by what logs say. */
export type LogRule = Omit<RuleDescription, 'effect' | 'wordings'> & {
  readonly effect: Effect;
  readonly wordings: readonly string[];
};

/** A rule about the VM as a whole. */
export const vmRule = <const Name extends BehaviourName>(rule: RuleAbout<Scenario, Name>): RuleAbout<Scenario, Name> =>
  rule;

/** A rule about each VFIO device that QEMU prepares for migration. */
export const deviceRule = <const Name extends BehaviourName>(
  rule: RuleAbout<DeviceHere, Name>,
): RuleAbout<DeviceHere, Name> => rule;

/** A rule about the devices of each VFIO container. */
export const containerRule = <const Name extends BehaviourName>(
  rule: RuleAbout<ContainerHere, Name>,
): RuleAbout<ContainerHere, Name> => rule;

/** A rule about each device that is no VFIO device and of one of its models. */
export const otherRule = <const Name extends BehaviourName>(
  rule: RuleAbout<OtherHere, Name> & { readonly isAbout: (type: string) => boolean },
): RuleAbout<OtherHere, Name> => rule;

/** A rule about each disk image. */
export const diskRule = <const Name extends BehaviourName>(
  rule: RuleAbout<DiskHere, Name>,
): RuleAbout<DiskHere, Name> => rule;

export const logRule = (rule: LogRule): LogRule => rule;

/** A refusal at realize time: `auto` makes a migration blocker of it, `on` fails the device and with it the VM. */
export const refusal = { auto: 'blocker', on: 'start-failure' } as const satisfies Record<string, Effect>;

/** The cases of `rule` by value of its behaviour; one called `always` where there is none. */
export const casesOf = (rule: Rule): Readonly<Record<string, Case<never> | undefined>> =>
  rule.behaviour === undefined ? { always: rule.always } : rule.cases;
