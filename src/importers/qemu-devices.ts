import { formatSize } from '../descriptor/quantities.ts';
import { DEVICES_MAX, type VfioDescriptor, type VmDescriptor } from '../descriptor/schema.ts';
import { given } from './imported.ts';
import type { CommandLine } from './qemu-command-line.ts';
import { devicesOf, type QemuDevice } from './qemu-device-list.ts';
import { memoryBackend } from './qemu-machine.ts';
import { nameOf, sizeOf, textOf } from './qemu-options.ts';
import { otherDevices } from './qemu-other-devices.ts';
import { plugged, type PluggedDevice } from './qemu-plugging.ts';
import { isVfio, vfioOf } from './qemu-vfio.ts';
import { isViommu, primaryBusOf, viommuOf } from './qemu-viommu.ts';

type OtherDevice = NonNullable<VmDescriptor['otherDevices']>[number];
type MemoryDevice = NonNullable<VmDescriptor['hotplugged']>[number];

/** Memory devices that a descriptor may list. */
const MEMORY_DEVICES_MAX = 256;

/** The devices of a command line, each where QEMU plugs it. A second vIOMMU is one of the other devices. */
export function devicesIn(line: CommandLine): Pick<VmDescriptor, 'viommu' | 'vfio' | 'otherDevices' | 'hotplugged'> {
  const { remarks } = line;
  const all = plugged(devicesOf(line), line);
  const ofMachine = viommuOfMachine(line);
  const viommu = ofMachine ? undefined : all.find(({ device }) => isViommu(device))?.device;
  const rest = all.filter(({ device }) => device !== viommu && !isTwin(device, viommu));
  const those = (are: (device: QemuDevice) => boolean): PluggedDevice[] => rest.filter(({ device }) => are(device));
  const vfio = atMost(DEVICES_MAX, 'VFIO', those(isVfio), line);
  const memory = atMost(MEMORY_DEVICES_MAX, 'memory', those(isMemory), line);
  const others = otherDevices(
    those((device) => !isVfio(device) && !isMemory(device)),
    line,
  );
  const hotplugged = memory.flatMap(({ device }) => memoryDevice(device, line));
  for (const [index, { device }] of vfio.entries()) remarks.origin(`/vm/vfio/${index}`, device.at);
  if (viommu) remarks.origin('/vm/viommu', viommu.at);
  const translation: Translation | undefined = viommu && {
    from: viommu.position,
    roots: new Set(all.flatMap(({ device }) => (isViommu(device) ? (primaryBusOf(device) ?? []) : []))),
  };
  return {
    viommu: viommu ? viommuOf(viommu, line) : ofMachine,
    ...placed(
      vfio.map((each) => given({ ...vfioOf(each.device, line), address: addressOf(each, translation, line) })),
      others,
    ),
    hotplugged: hotplugged.length > 0 ? hotplugged : undefined,
  };
}

/** Positions are left out where other devices come first, which is what a descriptor says without them. */
function placed(
  vfio: readonly VfioDescriptor[],
  others: readonly OtherDevice[],
): Pick<VmDescriptor, 'vfio' | 'otherDevices'> {
  const [first, last] = [vfio[0]?.position, others.at(-1)?.position];
  const isMixed = first !== undefined && last !== undefined && last > first;
  const devices = <T extends object>(list: readonly T[]): T[] =>
    isMixed ? [...list] : list.map((device) => given({ ...device, position: undefined }));
  return { vfio: devices(vfio), otherDevices: others.length > 0 ? devices(others) : undefined };
}

/** The first `max` of `devices`; more are a fault. */
function atMost(
  max: number,
  kind: string,
  devices: readonly PluggedDevice[],
  { remarks }: CommandLine,
): readonly PluggedDevice[] {
  const beyond = devices[max];
  if (beyond) remarks.fault(beyond.device.at, `more than ${max} ${kind} devices`);
  return devices.slice(0, max);
}

/** Of arm-smmuv3 there may be one for each root bus. */
const isTwin = ({ type }: QemuDevice, viommu: QemuDevice | undefined): boolean =>
  type === 'arm-smmuv3' && viommu?.type === type;

const viommuOfMachine = ({ machine }: CommandLine): VmDescriptor['viommu'] =>
  textOf(machine, 'iommu') === 'smmuv3' ? { model: 'smmuv3' } : undefined;

/** For which devices the vIOMMU translates. */
interface Translation {
  /** Its position: QEMU has devices realized before it use guest memory as it is. */
  readonly from: number;
  /** Root buses; all where there is none. */
  readonly roots: ReadonlySet<string>;
}

/** Where in the guest a VFIO device sits, so far as that decides whether a vIOMMU translates for it. */
function addressOf(
  { device, bus }: PluggedDevice,
  translation: Translation | undefined,
  { remarks }: CommandLine,
): VfioDescriptor['address'] {
  const isBefore = translation !== undefined && device.position < translation.from;
  if (isBefore) {
    const name = device.id ?? `argv[${device.at.index}]`;
    remarks.note(
      `${device.type} ${name} is realized before the vIOMMU, and so not translated: QEMU takes devices in their order, ` +
        'those in JSON syntax last.',
    );
  }
  const isElsewhere =
    bus !== undefined && translation !== undefined && translation.roots.size > 0 && !translation.roots.has(bus.root);
  const address = given({
    bus: nameOf(device, 'bus', remarks),
    bypassIommu: isBefore || isElsewhere ? true : bus?.bypassIommu,
    behindPciBridge: bus?.behindPciBridge === true ? true : undefined,
  });
  return Object.keys(address).length > 0 ? address : undefined;
}

const isMemory = ({ type }: QemuDevice): boolean => type === 'pc-dimm' || type === 'virtio-mem-pci';

/** A DIMM, or what is plugged of a virtio-mem's memory from the start. */
function memoryDevice(device: QemuDevice, line: CommandLine): MemoryDevice[] {
  const backend = memoryBackend(device, 'memdev', line);
  if (backend === undefined) return [];
  if (device.type === 'pc-dimm') return [{ model: 'dimm', size: formatSize(backend.size) }];
  const requested = sizeOf(device, 'requested-size', line.remarks) ?? 0n;
  const block = sizeOf(device, 'block-size', line.remarks);
  if (requested === 0n) return [];
  const blockSize = block === undefined ? undefined : formatSize(block);
  return [given({ model: 'virtio-mem' as const, size: formatSize(requested), blockSize })];
}
