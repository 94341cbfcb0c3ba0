import type { Container } from '../descriptor/container.ts';
import type { Device } from '../descriptor/device.ts';
import type { Truth } from '../descriptor/fact.ts';
import type { GuestEvent, Scenario } from '../descriptor/scenario.ts';
import type { BehaviourName, Behaviours } from '../simulator/index.ts';

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

/** Who refuses. */
export const layers = ['device', 'kernel', 'qemu', 'libvirt', 'policy'] as const;
type Layer = (typeof layers)[number];

/** What an operator can change so that a rule no longer fires. */
type Change =
  | 'bypass-viommu'
  | 'remove-viommu'
  | 'viommu-address-width-39'
  | 'viommu-caching-mode'
  | 'device-dirty-tracking-off'
  | 'enable-migration'
  | 'iommufd'
  | 'less-memory'
  | 'fewer-devices'
  | 'unplug-for-migration'
  | 'other-driver'
  | 'other-destination'
  | 'other-qemu'
  | 'detach-device';

/** What a rule about one device looks at. */
export interface DeviceHere extends Scenario {
  readonly device: Device;
  /** The device and those that QEMU realized before it. */
  readonly realized: readonly Device[];
  readonly container: Container;
}

/**
 * When a rule fires, and QEMU's words for it, with what stands in braces filled in; `null` where QEMU says nothing.
 * `{device}` is the device's name; other names are `parameters`.
 */
export interface Case<Here> {
  readonly holds: (here: Here) => Truth;
  readonly message: string | null;
  readonly parameters?: (here: Here) => Readonly<Record<string, string>>;
  /** QEMU says it once for all devices, not once a device. */
  readonly once?: true;
  /** Said outside the device's realize function, so that QEMU puts no `vfio {device}: ` before it. */
  readonly outsideRealize?: true;
}

interface RuleOf<Here, Name extends BehaviourName> {
  /** URL and metric label; never changes. */
  readonly id: string;
  readonly title: string;
  readonly layer: Layer;
  /** What separates one QEMU from another here. */
  readonly behaviour: Name;
  /** By value of the behaviour; a QEMU of any other value never says this. */
  readonly cases: { readonly [Value in Behaviours[Name]]?: Case<Here> };
  /** By `enable-migration` where that decides; `auto` stands for any QEMU in which it is a boolean. */
  readonly effect: Effect | { readonly auto: Effect; readonly on: Effect };
  /** What must happen for a hazard to come true. */
  readonly trigger?: GuestEvent;
  /** What it means where only the destination's QEMU says it; a blocker is a warning there unless this says more. */
  readonly atDestination?: Effect;
  readonly liftedBy: readonly Change[];
  readonly source: { readonly confidence: 'confirmed' | 'inferred'; readonly read: readonly string[] };
}

export type DeviceRule<Name extends BehaviourName = BehaviourName> = RuleOf<DeviceHere, Name>;
export type VmRule<Name extends BehaviourName = BehaviourName> = RuleOf<Scenario, Name>;
export type Rule = DeviceRule | VmRule;

/** A rule about each device. */
export const deviceRule = <const Name extends BehaviourName>(rule: DeviceRule<Name>): DeviceRule<Name> => rule;

/** A rule about the VM. */
export const vmRule = <const Name extends BehaviourName>(rule: VmRule<Name>): VmRule<Name> => rule;

/** A refusal at realize time: `auto` makes a migration blocker of it, `on` fails the device and with it the VM. */
export const refusal = { auto: 'blocker', on: 'start-failure' } as const satisfies Record<string, Effect>;
