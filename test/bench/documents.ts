import type {
  Descriptor,
  HostDeviceDescriptor,
  VfioDescriptor,
  ViommuDescriptor,
} from '../../src/descriptor/schema.ts';
import { post } from './open-loop.ts';

const intel: ViommuDescriptor = {
  model: 'intel',
  addressWidth: 48,
  cachingMode: true,
  scalableMode: false,
  intremap: true,
};

/**
 * How VMs differ: in nothing but names; in the IOMMU groups of their devices too, as any two VMs of a fleet do, and in which
 * of {@link FLAVORS} sizes of memory they have; or each in a size of its own, of up to {@link SIZES} that fit into the host.
 */
type Differing = 'names' | 'groups' | 'memory';

const FLAVORS = 64;
const SIZES = 1 << 18;

const sizeOf = (index: number, differing: Differing): number =>
  65_536 + { names: 0, groups: (index % FLAVORS) * 1024, memory: index % SIZES }[differing];

/** What differs between the VMs of a bench. */
interface Asked {
  readonly index: number;
  readonly differing?: Differing;
  readonly devices: number;
  /** Whether they are behind an intel-iommu. */
  readonly translated: boolean;
  readonly backend: 'legacy' | 'iommufd';
  /** What the guest maps for each device; undefined: nobody knows. */
  readonly mappings?: VfioDescriptor['mappings'];
}

/** A VM as an inventory describes it, of which all is known, and which nothing refuses unless it is behind a vIOMMU. */
export function inventoried({
  index,
  differing = 'groups',
  devices,
  translated,
  backend,
  mappings,
}: Asked): Descriptor {
  const ids = Array.from({ length: devices }, (_, at) => `hostdev${at}`);
  const host: HostDeviceDescriptor = {
    driver: 'mlx5_vfio_pci',
    protocol: 'v2',
    stopCopy: true,
    p2p: true,
    preCopy: true,
    dmaLogging: true,
  };
  const pciAddress = (fn: number): string => `0000:3b:${(fn >> 3).toString(16).padStart(2, '0')}.${fn & 7}`;
  return {
    ref: `7c0e1c52-5b1f-4c3e-9d2a-${index.toString(16).padStart(12, '0')}`,
    state: 'running',
    vm: {
      name: `instance-${index.toString(16).padStart(8, '0')}`,
      machine: 'pc-q35-10.2',
      accel: 'kvm',
      kernelIrqchip: 'split',
      onlyMigratable: false,
      memory: `${sizeOf(index, differing)}MiB`,
      cpu: { vendor: 'GenuineIntel', physBits: 46, invtsc: false },
      ...(translated && { viommu: intel }),
      vfio: ids.map(
        (id, at): VfioDescriptor => ({
          id,
          host: pciAddress(at + 2),
          type: 'vfio-pci',
          backend,
          ...(backend === 'iommufd' && { iommufdObject: 'iommufd0' }),
          group: 48 + at + (differing === 'groups' ? index * devices : 0),
          enableMigration: 'auto',
          deviceDirtyTracking: 'on',
          ...(mappings && { guestDomain: 'dma', mappings }),
        }),
      ),
      otherDevices: [
        { type: 'virtio-net-pci', id: 'net0' },
        { type: 'virtio-blk-pci', id: 'virtio-disk0' },
        { type: 'virtio-balloon-pci', id: 'balloon0' },
      ],
      disks: [{ node: 'libvirt-1-format', format: 'raw' }],
    },
    source: {
      qemu: '11.1.3',
      kernel: '6.18',
      libvirt: '12.2.0',
      pageSize: '4KiB',
      memory: '512GiB',
      memlockLimit: 'unlimited',
      iommu: { vendor: 'intel', dirtyTracking: true, addressWidth: 48 },
      iommufd: true,
      devices: Object.fromEntries(ids.map((id) => [id, host])),
    },
    migration: { mode: 'normal', capabilities: ['events', 'return-path'] },
  };
}

/** The VM that most benches ask about: 2 KiB of JSON. */
export const fourDevices = (index: number, { translated = false, differing = 'groups' }: Of = {}): Descriptor =>
  inventoried({ index, differing, devices: 4, translated, backend: 'iommufd' });

interface Of {
  /** Whether it is behind a vIOMMU; by default not. */
  readonly translated?: boolean;
  readonly differing?: Differing;
}

/** As JSON. */
export const bodyOf = (index: number, of?: Of): string => JSON.stringify(fourDevices(index, of));

/** Where most benches ask about it. */
export const PATH = '/v1/evaluations?remedies=false';

export const requestOf = (index: number, of?: Of): Buffer => post(PATH, bodyOf(index, of));
