import { qemuBehaviours } from '../../../src/platform/qemu.ts';
import { parseVersion, type Version } from '../../../src/platform/version.ts';
import type { Container, HostKernel, Machine, Viommu } from 'migration-preflight/simulator';
import { number, type RecordedIoctl, type RecordedStep } from './trace.ts';

/** The machine that a scenario was recorded on, before anything is mapped; or why it is not one that is modelled. */
export function machineOf(steps: readonly RecordedStep[]): Machine | string {
  const [first] = steps;
  if (first === undefined) return 'the file holds no step';
  if (first.devices.length !== 1) return 'several devices share one record';
  const behaviours = qemuBehaviours(parseVersion(first.qemu) as Version);
  const viommu = viommuOf(first);
  if (behaviours === undefined || viommu === undefined) return 'a QEMU or a vIOMMU that is not modelled';
  return { behaviours, viommu, container: containerOf(steps, first), tracking: 'off', mappings: [], sections: [] };
}

function viommuOf({ iommu, aw_bits: addressWidth }: RecordedStep): Viommu | undefined {
  const properties = iommu ?? '';
  if (properties === '') return { model: 'none' };
  if (properties.startsWith('intel-iommu')) {
    return {
      model: 'intel',
      addressWidth: addressWidth ?? 48,
      scalableMode: /scalable-mode=(?:on|modern|legacy)/.test(properties),
      firstStage: /(?:fsts|x-flts)=on/.test(properties),
    };
  }
  if (properties.startsWith('virtio-iommu')) return { model: 'virtio' };
  if (properties.startsWith('amd-iommu')) return { model: 'amd' };
  return properties.includes('smmuv3') ? { model: 'smmuv3', accel: properties.includes('accel=on') } : undefined;
}

/** The host ran Linux 7.1.8. What the device and the container can do is told by what QEMU asked them as it started. */
function containerOf(steps: readonly RecordedStep[], { backend, devices }: RecordedStep): Container {
  const ioctls = steps.flatMap((step) => step.ioctls);
  const capability = ioctls.find(({ call }) => call === 'CAP_MIGRATION')?.detail ?? '';
  const probe = ioctls.find(({ detail = '' }) => /DMA_LOGGING_START .*PROBE/.test(detail))?.detail ?? 'ret=-1';
  const logs = probe.includes('ret=0') && !devices.some((each) => each.includes('x-device-dirty-page-tracking=off'));
  return {
    backend,
    tracker: logs ? 'device' : backend === 'legacy' && capability !== '' ? 'type1' : 'none',
    devices: 1,
    trackingHwpts: 0,
    pageSize: 4096n,
    maxDirtyBitmapSize: number(capability, 'max_dirty_bitmap_size') ?? 0n,
    allocatable: null,
    kernel: kernelOf(ioctls, devices),
  };
}

function kernelOf(ioctls: readonly RecordedIoctl[], devices: readonly string[]): HostKernel {
  const ranges = new Map<bigint, bigint>();
  for (const { detail = '' } of ioctls.filter(({ call }) => call === 'CAP_IOVA_RANGE')) {
    const [start, end] = [...detail.matchAll(/0x[0-9a-f]+/g)].map(([text]) => BigInt(text));
    if (start !== undefined && end !== undefined) ranges.set(start, end - start + 1n);
  }
  return {
    abilities: {
      wrapErrno: 'EOVERFLOW',
      lastPage: true,
      dirtyPages: true,
      unmapAll: true,
      updateVaddr: 'iommu-only',
      hwptDirtyTracking: true,
    },
    iommuGroup: !devices.some((each) => each.includes('/mdev/')),
    iovaRanges: [...ranges].map(([iova, size]) => ({ iova, size })),
    dmaEntryLimit: 65_535n,
  };
}

/** Where the device sits, as the log names it: bus:slot.function, and its number on the bus. */
export interface Address {
  readonly bdf: string;
  readonly endpoint: bigint;
}

/** Only the vIOMMU's memory regions name the device; without any it never went behind the vIOMMU. */
export function addressOf(steps: readonly RecordedStep[]): Address | undefined {
  for (const { events } of steps) {
    for (const { kind, name = '' } of events) {
      if (kind !== 'iommu') continue;
      const intel = /-(?<slot>[0-9a-f]{2})\.(?<fn>[0-7])-/.exec(name)?.groups;
      if (intel)
        return {
          bdf: `00:${intel['slot']}.${intel['fn']}`,
          endpoint: BigInt(`0x${intel['slot']}`) * 8n + BigInt(intel['fn'] ?? 0),
        };
      const virtio = /-(?<bus>\d+)-(?<devfn>\d+)$/.exec(name)?.groups;
      if (virtio) {
        const devfn = Number(virtio['devfn']);
        const slot = (devfn >> 3).toString(16).padStart(2, '0');
        return { bdf: `00:${slot}.${devfn & 7}`, endpoint: BigInt(devfn) };
      }
    }
  }
  return undefined;
}
