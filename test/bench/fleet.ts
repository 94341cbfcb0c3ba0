import type { Descriptor, HostDescriptor, VfioDescriptor, ViommuDescriptor } from '../../src/descriptor/schema.ts';
import { numbers } from './compare.ts';

/** What there is, and how often in a thousand. */
type Spread<T> = readonly (readonly [value: T, permille: number])[];

interface Flavour {
  readonly memory: string;
  readonly devices: number;
  readonly kind: 'vf' | 'gpu';
  readonly viommu?: ViommuDescriptor;
}

const intel: ViommuDescriptor = { model: 'intel', addressWidth: 48, cachingMode: true, intremap: true };

/** What a cloud sells: a VF or a few with memory in steps, GPUs, large memory, and some behind a vIOMMU. */
const flavours: Spread<Flavour> = [
  [{ memory: '8GiB', devices: 1, kind: 'vf' }, 140],
  [{ memory: '16GiB', devices: 1, kind: 'vf' }, 190],
  [{ memory: '32GiB', devices: 1, kind: 'vf' }, 170],
  [{ memory: '64GiB', devices: 1, kind: 'vf' }, 110],
  [{ memory: '16GiB', devices: 2, kind: 'vf' }, 50],
  [{ memory: '32GiB', devices: 2, kind: 'vf' }, 60],
  [{ memory: '64GiB', devices: 2, kind: 'vf' }, 50],
  [{ memory: '128GiB', devices: 2, kind: 'vf' }, 40],
  [{ memory: '64GiB', devices: 4, kind: 'vf' }, 20],
  [{ memory: '128GiB', devices: 1, kind: 'gpu' }, 30],
  [{ memory: '256GiB', devices: 2, kind: 'gpu' }, 20],
  [{ memory: '512GiB', devices: 4, kind: 'gpu' }, 15],
  [{ memory: '1TiB', devices: 8, kind: 'gpu' }, 15],
  [{ memory: '1TiB', devices: 1, kind: 'vf' }, 10],
  [{ memory: '4TiB', devices: 2, kind: 'vf' }, 7],
  [{ memory: '12TiB', devices: 2, kind: 'vf' }, 3],
  [{ memory: '32GiB', devices: 1, kind: 'vf', viommu: intel }, 40],
  [{ memory: '64GiB', devices: 2, kind: 'vf', viommu: intel }, 20],
  [{ memory: '32GiB', devices: 2, kind: 'vf', viommu: { model: 'virtio' } }, 10],
];

interface Generation {
  readonly machine: string;
  readonly host: HostDescriptor;
  readonly backend: 'legacy' | 'iommufd';
}

const generation = (machine: string, host: HostDescriptor, backend: Generation['backend']): Generation => ({
  machine,
  host: { ...host, iommu: { vendor: 'intel', dirtyTracking: backend === 'iommufd', addressWidth: 48 } },
  backend,
});

/** A site runs a few generations of hosts, each with its QEMU; VMs keep the machine type that they were made with. */
const generations: Spread<Generation> = [
  [generation('pc-q35-8.2', { qemu: '8.2.2', kernel: '6.8', libvirt: '10.0.0' }, 'legacy'), 300],
  [generation('pc-q35-9.1', { qemu: '9.1.0', kernel: '6.12', libvirt: '10.10.0' }, 'legacy'), 200],
  [generation('pc-q35-8.2', { qemu: '10.0.3', kernel: '6.12', libvirt: '11.3.0' }, 'legacy'), 150],
  [generation('pc-q35-10.2', { qemu: '10.2.2', kernel: '6.18', libvirt: '12.0.0' }, 'iommufd'), 200],
  [generation('pc-q35-11.1', { qemu: '11.1.3', kernel: '7.1', libvirt: '12.2.0' }, 'iommufd'), 150],
];

type DriverFacts = NonNullable<HostDescriptor['devices']>[string] | undefined;

/** Bound to a driver that migrates, or not; or nobody looked. */
const drivers: Readonly<Record<Flavour['kind'], Spread<DriverFacts>>> = {
  vf: [
    [{ driver: 'mlx5_vfio_pci', protocol: 'v2', stopCopy: true, p2p: true, preCopy: true, dmaLogging: true }, 800],
    [{ driver: 'vfio-pci' }, 160],
    [undefined, 40],
  ],
  gpu: [
    [{ driver: 'nvgrace_gpu_vfio_pci', protocol: 'v2', stopCopy: true, p2p: false, dmaLogging: false }, 300],
    [{ driver: 'vfio-pci' }, 660],
    [undefined, 40],
  ],
};

/** How many of a thousand VMs are of no flavour: an amount of memory of their own. */
const ODD = 1;

/**
 * `count` VMs of a large site, the same in each run: flavours over generations of hosts, each VM with its own name and
 * its devices where the host has them, and what is known of the source given with each.
 */
export function* fleet(count: number): Generator<Descriptor> {
  const next = numbers(5);
  const permille = (): number => (next() >>> 8) % 1000;
  const pick = <T>(spread: Spread<T>): T => {
    let left = permille();
    for (const [value, share] of spread) {
      if (left < share) return value;
      left -= share;
    }
    throw new Error('a spread comes to less than a thousand');
  };
  for (let index = 0; index < count; index++) {
    const { memory, devices, kind, viommu } = pick(flavours);
    const { machine, host, backend } = pick(generations);
    const driver = pick(drivers[kind]);
    const [slot, first] = [0x17 + (permille() % 4) * 0x24, permille() % 30];
    const vfio = Array.from({ length: devices }, (_, at): VfioDescriptor => {
      const fn = first + at;
      return {
        id: `hostdev${at}`,
        host: `0000:${slot.toString(16)}:${(fn >> 3).toString(16).padStart(2, '0')}.${fn & 7}`,
        backend,
        ...(backend === 'iommufd' && { iommufdObject: 'iommufd0' }),
      };
    });
    yield {
      ref: uuid(next),
      state: 'running',
      vm: {
        name: `instance-${index.toString(16).padStart(8, '0')}`,
        machine,
        memory: permille() < ODD ? `${1 + (next() >>> 12)}MiB` : memory,
        ...(viommu && { viommu }),
        vfio,
      },
      source: { ...host, ...(driver && { devices: Object.fromEntries(vfio.map(({ id }) => [id, driver])) }) },
    };
  }
}

const uuid = (next: () => number): string =>
  Array.from({ length: 4 }, () => next().toString(16).padStart(8, '0'))
    .join('')
    .replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
