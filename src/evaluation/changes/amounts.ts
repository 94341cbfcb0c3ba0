import { record } from '../../descriptor/fact.ts';
import { formatSize, bytesOf } from '../../descriptor/quantities.ts';
import { resolve } from '../../descriptor/scenario.ts';
import type { Descriptor, HostDescriptor, VfioDescriptor } from '../../descriptor/schema.ts';
import { guestMemoryOf } from '../../descriptor/sections.ts';
import { DMA_ENTRY_LIMIT } from '../../platform/kernel.ts';
import { coverableBytes, TYPE1_BITMAP_MAX } from '../../simulator/index.ts';
import { type Concern, type Edit, edit, hostOn, type Values, withoutHoles } from './edit.ts';

const GIB = 1n << 30n;

/** Boot RAM that one type1 bitmap covers on every host concerned, in whole GiB. */
export function coverableMemory({ descriptor, sides }: Concern): Edit[] {
  const { memory, memoryBackends } = descriptor.vm;
  const limits = sides.map((side) => {
    const { type1, pageSize } = hostOn(descriptor, side);
    const page = bytesOf(type1?.trackingPageSize ?? pageSize ?? 4096);
    return coverableBytes(
      type1?.maxDirtyBitmapSize === undefined ? TYPE1_BITMAP_MAX : bytesOf(type1.maxDirtyBitmapSize),
      page,
    );
  });
  const limit = (limits.reduce((a, b) => (b < a ? b : a)) / GIB) * GIB;
  // How several backends would share less memory is not for us to say.
  if (memoryBackends || limit === 0n || bytesOf(memory) <= limit) return [];
  return [edit('/vm/memory', formatSize(limit), { kib: String(limit / 1024n) })];
}

/** Room for twice the mappings that are known, or that there may be now. */
export function moreEntries({ type1 }: HostDescriptor, { vm }: Descriptor): Values {
  const mapped = vm.vfio.flatMap(({ mappings = [] }) => mappings).reduce((sum, { count }) => sum + count, 0);
  const limit = type1?.dmaEntryLimit ?? DMA_ENTRY_LIMIT;
  const needed = 2 * Math.max(mapped, limit);
  return needed <= ENTRY_LIMIT_MAX ? { 'type1/dmaEntryLimit': needed } : null;
}

/** No parameter of the kernel is taken to hold more. */
const ENTRY_LIMIT_MAX = 2 ** 31 - 1;

/** Whether the guest maps what a vIOMMU of 39 bits could not. */
export const reachesPast39Bits = ({ mappings = [] }: VfioDescriptor): boolean =>
  mappings.some(({ iova, pageSize, count }) => BigInt(iova) + bytesOf(pageSize) * BigInt(count) > 1n << 39n);

/** The longest downtime limit that is offered, in milliseconds. */
const DOWNTIME_MAX_MS = 2_000_000;

/** Milliseconds for which the guest must be allowed to stand still; `null` where it is already, or would be for too long. */
export function downtimeFor(descriptor: Descriptor): number | null {
  const transfer = transferOf(descriptor);
  if (!transfer) return null;
  const { amounts, bandwidth, limitMs } = transfer;
  const longer = amounts.map((amount) => roundedUp(amount * 1000n, bandwidth)).find((needed) => needed > limitMs);
  return longer === undefined || longer > DOWNTIME_MAX_MS ? null : Number(longer);
}

/** Bytes a second that the migration needs; `null` where it has them already, or that is not known. */
export function bandwidthFor(descriptor: Descriptor): number | null {
  const transfer = transferOf(descriptor);
  if (!transfer || transfer.limitMs === 0n) return null;
  const { amounts, bandwidth, limitMs } = transfer;
  const more = amounts.map((amount) => roundedUp(amount * 1000n, limitMs)).find((needed) => needed > bandwidth);
  return more === undefined || more > Number.MAX_SAFE_INTEGER ? null : Number(more);
}

const roundedUp = (a: bigint, b: bigint): bigint => (a + b - 1n) / b;

interface Transfer {
  /** Bytes that are left to send once the guest stops: what devices dirty for certain; at most, all of its memory. */
  readonly amounts: readonly bigint[];
  /** Bytes a second. */
  readonly bandwidth: bigint;
  readonly limitMs: bigint;
}

/** `null` where it is not known, or nothing gets through. */
function transferOf(descriptor: Descriptor): Transfer | null {
  const { convergence, migration } = resolve(withoutHoles(descriptor), 'source');
  const known = record({
    convergence: convergence(),
    bandwidth: migration.bandwidth,
    limit: migration.downtimeLimitMs,
  });
  if (!known.known || !known.value.convergence || !known.value.bandwidth) return null;
  const { convergence: passes, bandwidth, limit } = known.value;
  return { amounts: [passes.dirtyBytesAtLeast, guestMemoryOf(descriptor.vm)], bandwidth, limitMs: BigInt(limit) };
}
