import type { RuleProperties } from 'json-rules-engine';
import { resolve } from '../../src/descriptor/scenario.ts';
import type { Descriptor } from '../../src/descriptor/schema.ts';
import type { Fact } from '../../src/descriptor/fact.ts';
import { judge } from '../../src/rules/judge.ts';
import { fourDevices } from './documents.ts';

/**
 * Twenty of the rules as other engines can say them, who cannot say the rest: nothing unknown, no evidence, no simulation.
 * They get an easier document, too: {@link attributesOf} reads all facts for them, defaults and versions included.
 */

/** What is to be true at once; what it is compared with is written in JSON. */
type Conditions = Exclude<RuleProperties['conditions'], { condition: string }>;

interface SameRule {
  readonly id: string;
  /** In CEL, over the whole document as Cerbos has it: `R.attr`. */
  readonly cel: string;
  /** For json-rules-engine: over the document or, of a rule about devices, over one device after another as well. */
  readonly about: 'vm' | 'device';
  readonly conditions: Conditions;
  /** A VM in which it fires. */
  readonly spoil: (vm: Spoiled) => void;
}

/** A descriptor that may be written to. */
type Spoiled = { -readonly [Key in keyof Descriptor]: Descriptor[Key] } & {
  readonly vm: Record<string, unknown>;
  readonly source: { readonly devices: Record<string, Record<string, unknown>> };
};

const is = (path: string, value: unknown) => {
  const [fact = '', ...members] = path.split('.');
  return { fact, ...(members.length > 0 && { path: `$.${members.join('.')}` }), operator: 'equal', value };
};
const isIn = (path: string, value: readonly unknown[]) => ({ ...is(path, value), operator: 'in' });
const isNot = (path: string, value: unknown) => ({ ...is(path, value), operator: 'notEqual' });
const has = (path: string, value: unknown) => ({ ...is(path, value), operator: 'contains' });

const intel = { model: 'intel', cachingMode: true, intremap: true };
const viommu = (more: object) => (vm: Spoiled) => Object.assign(vm.vm, { viommu: { ...intel, ...more } });
const vm = (more: object) => (spoiled: Spoiled) => Object.assign(spoiled.vm, more);
const vfio = (more: object) => (spoiled: Spoiled) => Object.assign(spoiled.vm.vfio[1] ?? {}, more);
const ability = (more: object) => (spoiled: Spoiled) => Object.assign(spoiled.source.devices['hostdev1'] ?? {}, more);
const capability = (name: string) => (spoiled: Spoiled) =>
  Object.assign(spoiled, { migration: { capabilities: [name] } });

export const sameRules: readonly SameRule[] = [
  {
    id: 'cpu-invtsc',
    cel: "R.attr.cpu.invtsc && R.attr.accel == 'kvm' && !R.attr.cpu.hasTscFrequency",
    about: 'vm',
    conditions: { all: [is('cpu.invtsc', true), is('accel', 'kvm'), is('cpu.hasTscFrequency', false)] },
    spoil: vm({ cpu: { invtsc: true } }),
  },
  {
    id: 'cpu-hv-passthrough',
    cel: 'R.attr.cpu.hvPassthrough',
    about: 'vm',
    conditions: { all: [is('cpu.hvPassthrough', true)] },
    spoil: vm({ cpu: { hvPassthrough: true } }),
  },
  {
    id: 'viommu-intremap',
    cel: "R.attr.viommu.model in ['intel', 'amd'] && R.attr.viommu.intremap == 'on' && R.attr.accel == 'kvm' && R.attr.kernelIrqchip in ['on', 'default']",
    about: 'vm',
    conditions: {
      all: [
        isIn('viommu.model', ['intel', 'amd']),
        is('viommu.intremap', 'on'),
        is('accel', 'kvm'),
        isIn('kernelIrqchip', ['on', 'default']),
      ],
    },
    spoil: (spoiled) => (viommu({})(spoiled), vm({ kernelIrqchip: 'on' })(spoiled)),
  },
  {
    id: 'viommu-eim',
    cel: "R.attr.viommu.model == 'intel' && R.attr.viommu.eim && (R.attr.viommu.intremap == 'off' || R.attr.viommu.intremap == 'auto' && R.attr.accel == 'kvm' && R.attr.kernelIrqchip in ['on', 'default'])",
    about: 'vm',
    conditions: {
      all: [
        is('viommu.model', 'intel'),
        is('viommu.eim', true),
        {
          any: [
            is('viommu.intremap', 'off'),
            {
              all: [is('viommu.intremap', 'auto'), is('accel', 'kvm'), isIn('kernelIrqchip', ['on', 'default'])],
            },
          ],
        },
      ],
    },
    spoil: viommu({ eim: true, intremap: false }),
  },
  {
    id: 'viommu-first-stage-scalable',
    cel: "R.attr.behaviours.firstStageDevices != 'absent' && R.attr.viommu.model == 'intel' && R.attr.viommu.firstStage && !R.attr.viommu.scalableMode",
    about: 'vm',
    conditions: {
      all: [
        isNot('behaviours.firstStageDevices', 'absent'),
        is('viommu.model', 'intel'),
        is('viommu.firstStage', true),
        is('viommu.scalableMode', false),
      ],
    },
    spoil: viommu({ firstStage: true }),
  },
  {
    id: 'viommu-dma-drain',
    cel: "R.attr.behaviours.dmaDrainProperty == 'present' && R.attr.viommu.model == 'intel' && R.attr.viommu.scalableMode && !R.attr.viommu.dmaDrain",
    about: 'vm',
    conditions: {
      all: [
        is('behaviours.dmaDrainProperty', 'present'),
        is('viommu.model', 'intel'),
        is('viommu.scalableMode', true),
        is('viommu.dmaDrain', false),
      ],
    },
    spoil: (spoiled) => {
      viommu({ scalableMode: true, dmaDrain: false })(spoiled);
      Object.assign(spoiled.source, { qemu: '10.2.2' });
    },
  },
  {
    id: 'confidential-sev',
    cel: "R.attr.confidential in ['sev', 'sev-es']",
    about: 'vm',
    conditions: { all: [isIn('confidential', ['sev', 'sev-es'])] },
    spoil: vm({ confidential: 'sev-es' }),
  },
  {
    id: 'dump-in-progress',
    cel: 'R.attr.isDumping',
    about: 'vm',
    conditions: { all: [is('isDumping', true)] },
    spoil: vm({ runtime: { dumping: true } }),
  },
  {
    id: 'memory-poisoned',
    cel: 'R.attr.hasPoisonedMemory',
    about: 'vm',
    conditions: { all: [is('hasPoisonedMemory', true)] },
    spoil: vm({ runtime: { poisonedMemory: true } }),
  },
  {
    id: 'vfio-switchover-ack',
    cel: "'switchover-ack' in R.attr.capabilities && !('return-path' in R.attr.capabilities)",
    about: 'vm',
    conditions: {
      all: [
        has('capabilities', 'switchover-ack'),
        { ...has('capabilities', 'return-path'), operator: 'doesNotContain' },
      ],
    },
    spoil: capability('switchover-ack'),
  },
  {
    id: 'vfio-migration-disabled',
    cel: "R.attr.behaviours.enableMigration == 'on-off-auto' && R.attr.devices.exists(d, d.enableMigration == 'off')",
    about: 'device',
    conditions: { all: [is('behaviours.enableMigration', 'on-off-auto'), is('device.enableMigration', 'off')] },
    spoil: vfio({ enableMigration: 'off' }),
  },
  {
    id: 'vfio-no-migration-support',
    cel: "R.attr.behaviours.initMessages in ['by-cause', 'init-failed'] && R.attr.devices.exists(d, d.protocol != 'v2')",
    about: 'device',
    conditions: { all: [isIn('behaviours.initMessages', ['by-cause', 'init-failed']), isNot('device.protocol', 'v2')] },
    spoil: ability({ protocol: 'none' }),
  },
  {
    id: 'vfio-migration-init',
    cel: "R.attr.behaviours.initMessages in ['by-cause', 'init-failed'] && R.attr.devices.exists(d, d.protocol == 'v2' && !d.stopCopy)",
    about: 'device',
    conditions: {
      all: [
        isIn('behaviours.initMessages', ['by-cause', 'init-failed']),
        is('device.protocol', 'v2'),
        is('device.stopCopy', false),
      ],
    },
    spoil: ability({ stopCopy: false }),
  },
  {
    id: 'vfio-dirty-tracking',
    cel: "R.attr.behaviours.trackingDemand == 'device' && R.attr.devices.exists(d, !d.tracksDirtyPages) || R.attr.behaviours.trackingDemand == 'device-or-iommu' && R.attr.devices.exists(d, !d.tracksDirtyPages && !d.hwptTracksDirtyPages)",
    about: 'device',
    conditions: {
      any: [
        { all: [is('behaviours.trackingDemand', 'device'), is('device.tracksDirtyPages', false)] },
        {
          all: [
            is('behaviours.trackingDemand', 'device-or-iommu'),
            is('device.tracksDirtyPages', false),
            is('device.hwptTracksDirtyPages', false),
          ],
        },
      ],
    },
    spoil: (spoiled) => {
      ability({ dmaLogging: false })(spoiled);
      Object.assign(spoiled.source, { iommu: { dirtyTracking: false } });
    },
  },
  {
    id: 'vfio-viommu',
    cel: "R.attr.behaviours.viommuBlock == 'each-device' && R.attr.devices.exists(d, d.behindViommu) || R.attr.behaviours.viommuBlock == 'device-tracking' && R.attr.devices.exists(d, d.behindViommu && d.tracksDirtyPages)",
    about: 'device',
    conditions: {
      any: [
        { all: [is('behaviours.viommuBlock', 'each-device'), is('device.behindViommu', true)] },
        {
          all: [
            is('behaviours.viommuBlock', 'device-tracking'),
            is('device.behindViommu', true),
            is('device.tracksDirtyPages', true),
          ],
        },
      ],
    },
    spoil: viommu({}),
  },
  {
    id: 'viommu-caching-mode',
    cel: "R.attr.behaviours.cachingModeCheck == 'at-realize' && R.attr.viommu.model == 'intel' && !R.attr.viommu.cachingMode && R.attr.devices.exists(d, d.type != 'mdev' && d.behindViommu)",
    about: 'device',
    conditions: {
      all: [
        is('behaviours.cachingModeCheck', 'at-realize'),
        is('viommu.model', 'intel'),
        is('viommu.cachingMode', false),
        isNot('device.type', 'mdev'),
        is('device.behindViommu', true),
      ],
    },
    spoil: viommu({ cachingMode: false }),
  },
  {
    id: 'viommu-snoop-control',
    cel: "R.attr.viommu.model == 'intel' && R.attr.viommu.snoopControl && R.attr.devices.exists(d, d.behindViommu)",
    about: 'device',
    conditions: {
      all: [is('viommu.model', 'intel'), is('viommu.snoopControl', true), is('device.behindViommu', true)],
    },
    spoil: viommu({ snoopControl: true }),
  },
  {
    id: 'vfio-postcopy',
    cel: "R.attr.behaviours.saveConflicts == 'refused' && 'postcopy-ram' in R.attr.capabilities && R.attr.mode != 'snapshot' && R.attr.devices.exists(d, d.initialisesMigration)",
    about: 'device',
    conditions: {
      all: [
        is('behaviours.saveConflicts', 'refused'),
        has('capabilities', 'postcopy-ram'),
        isNot('mode', 'snapshot'),
        is('device.initialisesMigration', true),
      ],
    },
    spoil: capability('postcopy-ram'),
  },
  {
    id: 'vfio-background-snapshot',
    cel: "R.attr.behaviours.saveConflicts == 'refused' && 'background-snapshot' in R.attr.capabilities && R.attr.mode != 'snapshot' && R.attr.devices.exists(d, d.initialisesMigration)",
    about: 'device',
    conditions: {
      all: [
        is('behaviours.saveConflicts', 'refused'),
        has('capabilities', 'background-snapshot'),
        isNot('mode', 'snapshot'),
        is('device.initialisesMigration', true),
      ],
    },
    spoil: capability('background-snapshot'),
  },
  {
    id: 'vfio-ramfb',
    cel: "R.attr.behaviours.ramfbMigrate == 'present' && R.attr.devices.exists(d, d.ramfbMigrate == 'on' && d.enableMigration == 'off')",
    about: 'device',
    conditions: {
      all: [
        is('behaviours.ramfbMigrate', 'present'),
        is('device.ramfbMigrate', 'on'),
        is('device.enableMigration', 'off'),
      ],
    },
    spoil: vfio({ ramfbMigrate: 'on', enableMigration: 'off' }),
  },
];

const known = <T>(fact: Fact<T>): T => {
  if (!fact.known) throw new Error(`unknown: ${fact.lacks.join(', ')}`);
  return fact.value;
};

/** The document that other engines get for `descriptor`: facts that the rules look at, each a JSON value. */
export function attributesOf(descriptor: Descriptor) {
  const { vm: machine, host, devices, migration } = resolve(descriptor, 'source');
  const { viommu: guest, cpu } = machine;
  const { qemu } = host;
  return {
    accel: known(machine.accel),
    kernelIrqchip: known(machine.kernelIrqchip),
    cpu: {
      invtsc: known(cpu.invtsc),
      hasTscFrequency: known(cpu.hasTscFrequency),
      hvPassthrough: known(cpu.hvPassthrough),
    },
    confidential: known(machine.confidential),
    isDumping: known(machine.isDumping),
    hasPoisonedMemory: known(machine.hasPoisonedMemory),
    viommu: {
      model: guest === null ? 'none' : known(guest.model),
      cachingMode: guest !== null && known(guest.cachingMode),
      intremap: guest === null ? 'off' : known(guest.intremap),
      eim: guest !== null && known(guest.eim),
      scalableMode: guest !== null && known(guest.scalableMode),
      firstStage: guest !== null && known(guest.firstStage),
      dmaDrain: guest !== null && known(guest.dmaDrain),
      snoopControl: guest !== null && known(guest.snoopControl),
    },
    mode: known(migration.mode),
    capabilities: descriptor.migration?.capabilities ?? [],
    behaviours: {
      firstStageDevices: known(qemu.firstStageDevices),
      dmaDrainProperty: known(qemu.dmaDrainProperty),
      enableMigration: known(qemu.enableMigration),
      initMessages: known(qemu.initMessages),
      trackingDemand: known(qemu.trackingDemand),
      viommuBlock: known(qemu.viommuBlock),
      cachingModeCheck: known(qemu.cachingModeCheck),
      saveConflicts: known(qemu.saveConflicts),
      ramfbMigrate: known(qemu.ramfbMigrate),
    },
    devices: devices.map((device) => ({
      id: device.id,
      host: device.name,
      type: device.type,
      backend: known(device.backend),
      enableMigration: known(device.enableMigration),
      ramfbMigrate: known(device.ramfbMigrate),
      protocol: known(device.protocol),
      stopCopy: known(device.stopCopy),
      p2p: known(device.p2p),
      initialisesMigration: known(device.initialisesMigration),
      tracksDirtyPages: known(device.tracksDirtyPages),
      hwptTracksDirtyPages: known(device.hwptTracksDirtyPages),
      behindViommu: known(device.behindViommu),
    })),
  };
}

export type Attributes = ReturnType<typeof attributesOf>;

/** A VM in which nothing fires, and for each rule one in which it does; none runs, or what says that none starts would be wrong. */
function trials(): Descriptor[] {
  const planned = { ...fourDevices(0), state: 'planned' as const };
  const spoiled = sameRules.map(({ spoil }) => {
    const whole = structuredClone(planned) as Spoiled;
    spoil(whole);
    return whole;
  });
  return [planned, ...spoiled];
}

/** Which of the rules fire for `descriptor`, by our own reckoning. */
function firing(descriptor: Descriptor): string[] {
  const fires = new Set(
    judge(resolve(descriptor, 'source')).flatMap(({ rule, outcome }) => (outcome === 'fires' ? [rule.id] : [])),
  );
  return sameRules.flatMap(({ id }) => (fires.has(id) ? [id] : []));
}

/**
 * Has `fires` say of each of {@link trials} which rules fire in it.
 * @throws Error where that is not what our rules say, or one of the rules never fires.
 */
export async function haveAgree(fires: (descriptor: Descriptor) => Promise<readonly string[]> | readonly string[]) {
  const seen = new Set<string>();
  for (const descriptor of trials()) {
    const [ours, theirs] = [firing(descriptor), await fires(descriptor)];
    if (ours.join() !== theirs.join()) throw new Error(`we say ${ours.join()}, they say ${theirs.join()}`);
    for (const id of ours) seen.add(id);
  }
  const silent = sameRules.filter(({ id }) => !seen.has(id));
  if (silent.length > 0) throw new Error(`never fires: ${silent.map(({ id }) => id).join()}`);
}
