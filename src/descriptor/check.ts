import { closest } from 'fastest-levenshtein';
import { parseVersion } from '../platform/version.ts';
import { firstOverlap, lastByte, type MappingRun, totalBytes } from '../simulator/index.ts';
import { member, type Pointer } from './pointer.ts';
import { parseSize, type Size } from './quantities.ts';
import { type Descriptor, DEVICES_MAX, type HostDescriptor, type VfioDescriptor } from './schema.ts';

/** Something wrong with a request: where, and what. */
export interface Fault {
  readonly pointer: Pointer;
  readonly detail: string;
}

/** The id of a device that was given none. */
export const deviceId = (device: VfioDescriptor, index: number): string => device.id ?? `dev${index}`;

/** Bytes that the mappings of a descriptor may total, inclusive: more would not be exact in an answer's integers. */
const MAPPED_MAX = BigInt(Number.MAX_SAFE_INTEGER);

/** Bytes of the smallest block of virtio-mem (VIRTIO_MEM_MIN_BLOCK_SIZE, hw/virtio/virtio-mem.c). */
const BLOCK_MIN = 1n << 20n;

/** Whether virtio-mem can be plugged in blocks of so many bytes. */
export const isBlockSize = (bytes: bigint): boolean => bytes >= BLOCK_MIN && (bytes & (bytes - 1n)) === 0n;

/**
 * What is wrong with a descriptor that has the right shape: quantities out of range, names that clash or name nothing,
 * mappings that overlap. Every fault, in the order of the document.
 */
export function check(descriptor: Descriptor): Fault[] {
  return [
    ...checkVm(descriptor),
    ...checkHost('/source', descriptor.source, descriptor),
    ...checkDestination(descriptor),
  ];
}

function* checkVm({ vm }: Descriptor): Generator<Fault> {
  yield* checkSizes('/vm', vm, ['memory', 'maxMemory', 'maxRamBelow4g']);
  if (parseSize(vm.memory) === 0n) yield { pointer: '/vm/memory', detail: 'a VM has memory' };
  for (const list of ['memoryBackends', 'hotplugged'] as const) {
    for (const [index, item] of (vm[list] ?? []).entries()) {
      yield* checkSizes(member(member('/vm', list), index), item, ['size', 'blockSize']);
    }
  }
  for (const [index, { blockSize }] of (vm.hotplugged ?? []).entries()) {
    const block = blockSize === undefined ? BLOCK_MIN : parseSize(blockSize);
    if (block !== null && !isBlockSize(block)) {
      yield {
        pointer: `/vm/hotplugged/${index}/blockSize`,
        detail: 'a block of virtio-mem is a power of two, at least 1MiB',
      };
    }
  }
  const seen = new Map<string, number>();
  let mapped = 0n;
  for (const [index, device] of vm.vfio.entries()) {
    const pointer = member('/vm/vfio', index);
    const id = deviceId(device, index);
    const other = seen.get(id);
    if (other !== undefined) {
      yield { pointer: `${pointer}/id`, detail: `"${id}" is the id of /vm/vfio/${other} already; ids are unique` };
    }
    seen.set(id, index);
    yield* checkSizes(pointer, device, ['maxQueuedBuffersSize']);
    for (const [bar, { size }] of (device.pciBars ?? []).entries()) {
      yield* checkSizes(`${pointer}/pciBars/${bar}`, { size }, ['size']);
    }
    if (device.iommufdObject !== undefined && device.backend !== 'iommufd') {
      yield { pointer: `${pointer}/iommufdObject`, detail: 'only a device of backend "iommufd" has an iommufd object' };
    }
    mapped += yield* checkMappings(`${pointer}/mappings`, device, vm.viommu?.addressWidth ?? 64);
  }
  if (mapped > MAPPED_MAX)
    yield { pointer: '/vm/vfio', detail: `mappings total ${mapped} bytes; at most ${MAPPED_MAX}` };
}

/** Faults of a device's mappings; returns the bytes they total. */
function* checkMappings(
  pointer: Pointer,
  { mappings = [] }: VfioDescriptor,
  addressWidth: number,
): Generator<Fault, bigint> {
  const last = (1n << BigInt(addressWidth)) - 1n;
  const runs: (MappingRun & { readonly index: number })[] = [];
  for (const [index, { iova, pageSize, count, gpa }] of mappings.entries()) {
    const size = parseSize(pageSize);
    const place = member(pointer, index);
    if (size === null || size < 4096n || (size & (size - 1n)) !== 0n) {
      yield { pointer: `${place}/pageSize`, detail: 'a page size is a power of two, at least 4KiB' };
      continue;
    }
    const run = { index, iova: BigInt(iova), size, count: BigInt(count) };
    if (run.iova % size !== 0n) yield { pointer: `${place}/iova`, detail: 'not aligned to pageSize' };
    else if (lastByte(run) > last) yield { pointer: `${place}/count`, detail: `reaches past 2^${addressWidth} - 1` };
    else runs.push(run);
    if (gpa !== undefined && BigInt(gpa) % size !== 0n)
      yield { pointer: `${place}/gpa`, detail: 'not aligned to pageSize' };
  }
  runs.sort((a, b) => (a.iova < b.iova ? -1 : 1));
  const overlap = firstOverlap(runs);
  if (overlap)
    yield { pointer: member(pointer, (overlap as (typeof runs)[number]).index), detail: 'overlaps another mapping' };
  return totalBytes(runs);
}

function* checkDestination(descriptor: Descriptor): Generator<Fault> {
  if (descriptor.destination) yield* checkHost('/destination', descriptor.destination, descriptor);
  const bandwidth = descriptor.migration?.parameters?.bandwidth;
  yield* checkSizes('/migration/parameters', { bandwidth }, ['bandwidth']);
}

function* checkHost(pointer: Pointer, host: HostDescriptor, { vm }: Descriptor): Generator<Fault> {
  for (const field of ['qemu', 'kernel', 'libvirt'] as const) {
    const text = host[field];
    if (text !== undefined && parseVersion(text) === null) {
      yield { pointer: `${pointer}/${field}`, detail: `no version in "${text}"; expected one such as "10.2.2"` };
    }
  }
  yield* checkSizes(pointer, host, ['memory', 'memlockLimit']);
  yield* checkPageSize(`${pointer}/pageSize`, host.pageSize);
  yield* checkSizes(`${pointer}/type1`, host.type1 ?? {}, ['maxDirtyBitmapSize']);
  yield* checkPageSize(`${pointer}/type1/trackingPageSize`, host.type1?.trackingPageSize);
  const ids = vm.vfio.map(deviceId);
  const listed = Object.keys(host.devices ?? {});
  if (listed.length > DEVICES_MAX) {
    yield { pointer: `${pointer}/devices`, detail: `lists ${listed.length} devices; at most ${DEVICES_MAX}` };
    return;
  }
  for (const id of listed) {
    if (ids.includes(id)) continue;
    const nearest = ids.length > 0 ? `; the nearest is "${closest(id, ids)}"` : '';
    yield { pointer: member(`${pointer}/devices`, id), detail: `no device in /vm/vfio has this id${nearest}` };
  }
}

function* checkPageSize(pointer: Pointer, pageSize: Size | undefined): Generator<Fault> {
  const bytes = pageSize === undefined ? 4096n : parseSize(pageSize);
  if (bytes === null || bytes < 4096n || bytes > 1n << 30n || (bytes & (bytes - 1n)) !== 0n) {
    yield { pointer, detail: 'a page size is a power of two from 4KiB to 1GiB' };
  }
}

function* checkSizes(
  pointer: Pointer,
  owner: Readonly<Record<string, unknown>>,
  fields: readonly string[],
): Generator<Fault> {
  for (const field of fields) {
    const size = owner[field] as Size | undefined;
    if (size !== undefined && size !== 'unlimited' && parseSize(size) === null) {
      yield { pointer: member(pointer, field), detail: 'larger than 2^64 - 1 bytes' };
    }
  }
}
