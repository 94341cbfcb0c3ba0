import { isBlockSize } from '../descriptor/check.ts';
import { formatSize } from '../descriptor/quantities.ts';
import { ACCESS, device, type Domain, type DomainOption, type Values } from './libvirt-domain.ts';
import { along, choice, each, integer, MAX_SIZE, only, sizeOf } from './libvirt-element.ts';
import type { XmlElement } from './xml.ts';

/** What libvirt rounds boot RAM, and memory devices, up to (qemuDomainAlignMemorySizes, libvirt 11.3). */
const [RAM_ALIGNMENT, DEVICE_ALIGNMENT] = [1n << 20n, 2n << 20n];

/** The object that boot RAM is made of where there are no NUMA nodes. */
export const RAM_OBJECT = 'pc.ram';

/**
 * Boot RAM, made of one object, or one a NUMA node. libvirt's `<memory>` is all the memory that a guest has, that of
 * `<memory model=…>` devices included; QEMU's `-m` is what is left without (virDomainDefGetMemoryInitial), or the sum of
 * the NUMA nodes.
 */
export function bootMemory(domain: Domain): DomainOption[] {
  const { element, remarks } = domain;
  const cells = along(only(element, 'cpu', remarks), 'numa', 'cell');
  const sizes = cells.map((cell) => rounded(cell, cellSize(cell, domain), RAM_ALIGNMENT, domain));
  const memory = only(element, 'memory', remarks);
  const size = cells.length > 0 ? sizes.reduce((sum, cell) => sum + cell, 0n) : wholeSize(memory, domain);
  const maxMemory = only(element, 'maxMemory', remarks);
  const maxmem = maxMemory && inBytes(rounded(maxMemory, sizeOf(maxMemory, remarks) ?? 0n, RAM_ALIGNMENT, domain));
  const slots = integer(maxMemory, 'slots', [0, 256], remarks);
  const at = memory ?? element;
  if (size > MAX_SIZE) remarks.fault(at, 'the NUMA nodes have more than 2^64 − 1 bytes');
  return [
    { at, name: 'm', says: { size: inBytes(size), maxmem, slots } },
    ...(cells.length === 0 ? [backend(at, RAM_OBJECT, size, undefined, domain)] : []),
    ...(isOneBlock(cells, domain) ? [] : cells).flatMap((cell, index): DomainOption[] => {
      const memdev = `ram-node${index}`;
      const share = choice(cell, 'memAccess', ACCESS, remarks);
      return [
        backend(cell, memdev, sizes[index] ?? 0n, share, domain),
        { at: cell, name: 'numa', says: { type: 'node', memdev } },
      ];
    }),
  ];
}

/** Machines before 5.1 share boot RAM among the NUMA nodes, unless it is backed by something. */
function isOneBlock(cells: readonly XmlElement[], { backing, machine = '' }: Domain): boolean {
  const { major, minor } = /-(?<major>\d+)\.(?<minor>\d+)$/.exec(machine)?.groups ?? {};
  const isOld = major !== undefined && Number(major) * 100 + Number(minor) < 501;
  return isOld && !backing.isGiven && !cells.some(({ attributes }) => attributes.has('memAccess'));
}

/** QEMU takes a size in bytes as digits alone, but in -m as MiB. */
const inBytes = (size: bigint): string => `${size}B`;

function cellSize(cell: XmlElement, { remarks }: Domain): bigint {
  const text = cell.attributes.get('memory');
  if (text === undefined) remarks.fault(cell, '<cell> has no memory');
  return (text === undefined ? undefined : sizeOf(cell, remarks, text)) ?? 0n;
}

function wholeSize(memory: XmlElement | undefined, domain: Domain): bigint {
  const { element, remarks } = domain;
  if (memory === undefined) remarks.fault(element, '<domain> has no <memory>');
  const total = memory && sizeOf(memory, remarks);
  if (memory === undefined || total === undefined) return 0n;
  const plugged = domain.all('memory').reduce((sum, module) => sum + (targetSize(module, domain) ?? 0n), 0n);
  if (plugged < total) return rounded(memory, total - plugged, RAM_ALIGNMENT, domain);
  remarks.fault(
    memory,
    `memory devices take ${formatSize(plugged)} of ${formatSize(total)}: no RAM is left to boot with`,
  );
  return 0n;
}

function rounded(at: XmlElement, size: bigint, alignment: bigint, { remarks }: Domain): bigint {
  const whole = ((size + alignment - 1n) / alignment) * alignment;
  if (whole > MAX_SIZE) remarks.fault(at, `<${at.name}> is more than 2^64 − 1 bytes`);
  return whole;
}

/** The object `id`, of memory that is shared where `share`, or else `<memoryBacking>`, says so; a memfd is unless told not to be. */
function backend(
  at: XmlElement,
  id: string,
  size: bigint,
  share: boolean | undefined,
  { backing }: Domain,
): DomainOption {
  return {
    at,
    name: 'object',
    says: {
      'qom-type': backing.isMemfd ? 'memory-backend-memfd' : 'memory-backend-ram',
      id,
      share: share ?? backing.share,
      size: String(size),
    },
  };
}

/** A `<memory>` device. Of a virtio-mem, what is `<requested>` is or will be plugged, and may be less than its size. */
export function memoryDevice(at: XmlElement, domain: Domain): readonly DomainOption[] {
  const model = at.attributes.get('model') ?? '';
  const kind = KINDS.get(model);
  const whole = kind === undefined ? undefined : targetSize(at, domain);
  if (kind === undefined) domain.remarks.unread('memory', model && `model=${model}`);
  if (kind === undefined || whole === undefined) return [];
  const id = domain.idOf(at, kind.prefix);
  const size = rounded(at, whole, DEVICE_ALIGNMENT, domain);
  const target = only(at, 'target', domain.remarks);
  const [block, requested] = ['block', 'requested'].map((name) => {
    const element = only(target, name, domain.remarks);
    const bytes = element && sizeOf(element, domain.remarks);
    if (element && name === 'block' && bytes !== undefined && !isBlockSize(bytes)) {
      domain.remarks.fault(element, `<block> is ${formatSize(bytes)}, not a power of two of at least 1MiB`);
    }
    return bytes === undefined ? undefined : String(bytes);
  });
  const rest: Values = model === 'virtio-mem' ? { 'block-size': block, 'requested-size': requested } : {};
  const isVirtio = model.startsWith('virtio-');
  const driver = isVirtio ? domain.virtio(model, at) : kind.driver;
  return [
    backend(at, `mem${id}`, size, choice(at, 'access', ACCESS, domain.remarks), domain),
    device(at, driver, id, { memdev: `mem${id}`, ...rest, ...(isVirtio ? domain.place(at) : {}) }),
  ];
}

const KINDS: ReadonlyMap<string, { readonly driver: string; readonly prefix: string }> = new Map([
  ['dimm', { driver: 'pc-dimm', prefix: 'dimm' }],
  ['nvdimm', { driver: 'nvdimm', prefix: 'nvdimm' }],
  ['virtio-mem', { driver: 'virtio-mem', prefix: 'virtiomem' }],
  ['virtio-pmem', { driver: 'virtio-pmem', prefix: 'virtiopmem' }],
]);

function targetSize(module: XmlElement, { remarks }: Domain): bigint | undefined {
  const [size] = each(only(module, 'target', remarks), 'size');
  return size === undefined ? remarks.fault(module, '<memory> device has no target <size>') : sizeOf(size, remarks);
}
