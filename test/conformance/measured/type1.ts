import {
  dirtyPages,
  dirtyPagesFlag,
  type IovaRange,
  type KernelAbilities,
  larger,
  mapDma,
  type MapDma,
  type MappingRun,
  openType1,
  totalMappings,
  trackingBytes,
  type Type1Container,
  unmapDma,
  unmapFlag,
  type UserBitmap,
} from 'migration-preflight/simulator';
import type { Bench } from './bench.ts';
import { type Answer, type Case, parseSize, rangeOf, reasons, SIZE } from './case.ts';
import { trackingIsOff } from './prior.ts';

const PAGE = 4096n;
const span = (first: bigint, last: bigint): IovaRange => ({ iova: first, size: last - first + 1n });

/** IOVA_RANGE of the emulated IOMMUs, which leave out the MSI window, and on AMD the HyperTransport hole. */
function iovaRanges(hw: string): readonly IovaRange[] | undefined {
  const low = span(0n, 0xfedfffffn);
  if (hw.startsWith('amdvi')) return [low, span(0xfef00000n, 0xfcffffffffn), span(0x10000000000n, 0xffffffffffffn)];
  const width = /^vtd-aw(\d+)/.exec(hw)?.[1];
  return width === undefined ? undefined : [low, span(0xfef00000n, (1n << BigInt(width)) - 1n)];
}

/** What the caller's memory allows, by the words for it. Nobody looks at a reservation that is never pinned. */
const backing: Readonly<Record<string, Pick<MapDma, 'memory' | 'vaddr'>>> = {
  ok: {},
  unaligned: { vaddr: 0x200n },
  unmapped: { memory: 'absent' },
  PROT_NONE: { memory: 'absent' },
  PROT_READ: { memory: 'read-only' },
  reserve: { memory: 'absent' },
  'PROT_NONE 24T reservation': { memory: 'absent' },
};

/** How far a bitmap can be written, by the words for where it is. The second page of one starts at byte 4096. */
const bitmapMemory: Readonly<Record<string, Pick<UserBitmap, 'inKernel' | 'writableBytes'>>> = {
  ok: {},
  NULL: { writableBytes: 0n },
  unmapped: { writableBytes: 0n },
  PROT_READ: { writableBytes: 0n },
  'near TASK_SIZE': { writableBytes: 0n },
  'second page unmapped': { writableBytes: 4096n },
  'kernel address': { inKernel: true },
};

/** A legacy container, opened as the case's guest opened it; `undefined` for a guest that is not known. */
export function type1Bench(kernel: KernelAbilities, { env, api, hw, guest_mem }: Case): Bench | undefined {
  const iommuGroup = env === 'iommu-group' || env === 'mixed';
  const emulatedGroup = env === 'mdev-only' || env === 'mixed';
  const ranges = iommuGroup ? iovaRanges(hw) : [];
  if (!(iommuGroup || emulatedGroup) || ranges === undefined) return undefined;
  const open = (dmaEntryLimit: bigint): Type1Container =>
    openType1({
      kernel,
      version: api === 'vfio-type1' ? 1 : 2,
      pageSize: PAGE,
      iommuGroup,
      emulatedGroup,
      iovaRanges: ranges,
      dmaEntryLimit,
      kernelMemory: parseSize(guest_mem),
    });
  let container = open(65535n);
  const track = (on: boolean) =>
    dirtyPages(container, { flags: on ? dirtyPagesFlag.start : dirtyPagesFlag.stop }).errno === null;

  const call = (c: Case): Answer | string => {
    if (c.op.startsWith('VFIO_IOMMU_DIRTY_PAGES')) return dirtyPagesCall(container, c);
    if (c.op.startsWith('VFIO_IOMMU_UNMAP_DMA')) return unmapCall(container, c);
    if (c.op !== 'VFIO_IOMMU_MAP_DMA') return reasons.call;
    if (c.inputs.dma_entry_limit === undefined) return mapCall(container, c);
    container = open(BigInt(c.inputs.dma_entry_limit));
    return mapUntilFull(container, BigInt(c.inputs.map_size ?? PAGE));
  };

  return {
    base: ranges.reduce((widest, range) => (range.size > widest.size ? range : widest), span(0n, 0n)).iova,
    held: () => container.mappings,
    reset() {
      container = open(65535n);
    },
    map: (run) => mapDma(container, run).errno === null,
    prepare({ op, scenario }) {
      if (op.endsWith('BITMAP')) track(!trackingIsOff(scenario));
      if (/while tracking/.test(scenario)) track(true);
      const limit = RegExp(`RLIMIT_MEMLOCK (${SIZE}), no CAP_IPC_LOCK`).exec(scenario)?.[1];
      if (limit !== undefined) container.memlockLimit = parseSize(limit);
      if (/with CAP_IPC_LOCK/.test(scenario)) container.memlockLimit = undefined;
      const [first] = container.mappings;
      if (/one mapping removed/.test(scenario) && first) unmapDma(container, first);
    },
    learn: () => {},
    call,
  };
}

function mapCall(container: Type1Container, { inputs }: Case): Answer | string {
  const memory = backing[inputs.vaddr ?? 'ok'];
  if (memory === undefined || inputs.iova === undefined) return reasons.inputs;
  const { errno } = mapDma(container, {
    ...rangeOf(inputs),
    ...memory,
    ...(inputs.flags !== undefined && { flags: inputs.flags }),
  });
  return { errno, changed: errno === null, settled: true };
}

/** Where the mappings lie is not recorded; any place that holds them will do. */
function mapUntilFull(container: Type1Container, size: bigint): Answer {
  const before = container.entriesLeft;
  const ten = mapDma(container, { iova: 0n, size, count: 10n }).made;
  const after10 = container.entriesLeft;
  const rest = mapDma(container, { iova: ten * size, size, count: before + 1n });
  const counts = {
    mappings_made: ten + rest.made,
    dma_avail_before: before,
    dma_avail_after_10: after10,
    dma_avail_after: container.entriesLeft,
  };
  return { errno: rest.errno, counts, changed: true, settled: true };
}

/** The bitmap of a call; `undefined` for one whose place is not known. */
function bitmapOf({ inputs, scenario }: Case): UserBitmap | undefined {
  const memory = bitmapMemory[inputs.bitmap_data ?? ''];
  if (memory === undefined || inputs.bitmap_size === undefined || inputs.bitmap_pgsize === undefined) return undefined;
  const ones = { iova: rangeOf(inputs).iova, size: PAGE, count: BigInt(inputs.bitmap_size) * 8n };
  return {
    ...memory,
    pageSize: BigInt(inputs.bitmap_pgsize),
    bytes: BigInt(inputs.bitmap_size),
    ...(/prefilled with ones/.test(scenario) && { prefilled: [ones] }),
  };
}

function bitsSet(dirty: readonly MappingRun[]): NonNullable<Answer['bits']> {
  const bits = totalMappings(dirty);
  return { bits_set: bits, bits_past_range: 0n, bits_set_in_first_bitmap_page: bits };
}

function unmapCall(container: Type1Container, c: Case): Answer | string {
  const { inputs } = c;
  const withBitmap = c.op.endsWith('GET_DIRTY_BITMAP');
  const bitmap = bitmapOf(c);
  if ((inputs.iova === undefined || (withBitmap && !bitmap)) && inputs.argsz === undefined) return reasons.inputs;
  const result = unmapDma(container, {
    ...rangeOf(inputs),
    flags: inputs.flags ?? (withBitmap ? unmapFlag.getDirtyBitmap : 0),
    ...(bitmap && { bitmap }),
    ...(inputs.argsz !== undefined && { argsz: inputs.argsz }),
  });
  const { errno, size, dirty, unmapped } = result;
  return { errno, size, bits: bitsSet(dirty), changed: unmapped.length > 0, settled: errno !== null };
}

function dirtyPagesCall(container: Type1Container, c: Case): Answer | string {
  const { inputs } = c;
  const bitmap = bitmapOf(c);
  const getBitmap = c.op.endsWith('GET_BITMAP');
  if (getBitmap && !bitmap) return reasons.inputs;
  const before = container.bitmapBytes;
  const { errno, dirty } = dirtyPages(container, {
    flags: inputs.flags ?? (getBitmap ? dirtyPagesFlag.getBitmap : 0),
    ...(bitmap && { range: { ...rangeOf(inputs), bitmap } }),
    ...(inputs.argsz !== undefined && { argsz: inputs.argsz }),
  });
  const settled = errno !== null || inputs.flags === dirtyPagesFlag.start || inputs.flags === dirtyPagesFlag.stop;
  const started = inputs.flags === dirtyPagesFlag.start && errno === null && container.bitmapBytes > before;
  return { errno, bits: bitsSet(dirty), ...(started && { memory: memoryTaken(container) }), changed: false, settled };
}

/** The largest block that kmalloc cuts from a slab; above it the page allocator's blocks count to the KiB. */
const SLAB_BLOCK_MAX = 8192n;

/** Slabs that were part-filled before the call, which no case records: `min_partial` of mm/slub.c and the CPU's own. */
const PARTIAL_SLABS = 6n;

/**
 * Least and most KiB that tracking takes, as the guest's counters show them: the same, but for blocks that share a
 * slab. Those count by the slab (a page for small blocks, up to eight for others), and part-filled slabs are used up
 * first.
 */
function memoryTaken({ mappings, setup }: Type1Container): readonly [number, number] {
  let least = 0n;
  let most = 0n;
  for (const { size, count } of mappings) {
    const bytes = trackingBytes(size, setup.pageSize);
    const slab = bytes <= 256n ? PAGE : 8n * PAGE;
    const blocks = bytes > SLAB_BLOCK_MAX ? 0n : slab / bytes;
    const slabs = blocks === 0n ? 0n : (count + blocks - 1n) / blocks;
    least += blocks === 0n ? bytes * count : larger(slabs - PARTIAL_SLABS, 0n) * slab;
    most += blocks === 0n ? bytes * count : slabs * slab;
  }
  return [Number(least / 1024n), Number(most / 1024n)];
}
