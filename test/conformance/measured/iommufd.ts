import {
  allocHwpt,
  compatUnmapDma,
  getDirtyBitmap,
  type Hwpt,
  hwptFlag,
  type Ioas,
  ioasMap,
  ioasMapFlag,
  ioasUnmap,
  type IovaRange,
  type KernelAbilities,
  lastByte,
  lowestBit,
  type MappingRun,
  MappingRuns,
  openIoas,
  setDirtyTracking,
  totalMappings,
  writeDma,
} from 'migration-preflight/simulator';
import type { Bench } from './bench.ts';
import { type Answer, type Case, parseSize, rangeOf, reasons, SIZE } from './case.ts';

const PAGE = 4096n;

/** sizeof(struct iommu_hwpt_get_dirty_bitmap) where it first appeared: a shorter `size` field is refused. */
const GET_DIRTY_BITMAP_BYTES = 48;

/** An IOAS, as the case's guest opened it, or an iommufd standing in for the legacy container. */
export function iommufdBench(kernel: KernelAbilities, { env }: Case): Bench {
  const dirtyTracking = env === 'mock-dirty';
  let iovaRanges: readonly IovaRange[] = [];
  let alignment = PAGE;
  let iopteSizes: readonly [bigint, ...bigint[]] = [PAGE];
  const open = (): Ioas => openIoas({ kernel, iovaRanges, alignment, iopteSizes, dirtyTracking });
  let ioas = open();

  const hwpt = (track: boolean): Hwpt | undefined => {
    const found = ioas.hwpts.find((one) => one.trackable === track);
    if (found) return found;
    const made = allocHwpt(ioas, track ? hwptFlag.dirtyTracking : 0);
    return made.errno === null ? made.hwpt : undefined;
  };
  const hwptOf = ({ scenario }: Case): Hwpt | undefined =>
    /bad hwpt id/.test(scenario) ? undefined : hwpt(dirtyTracking && !/without DIRTY_TRACKING/.test(scenario));
  const reset = (): void => {
    const { hwpts } = ioas;
    ioas = open();
    for (const { trackable } of hwpts) hwpt(trackable);
  };
  const write = (iova: bigint, size: bigint): void => {
    const to = hwpt(true);
    if (to === undefined) return;
    if (!to.tracking) setDirtyTracking(to, 1);
    writeDma(to, iova, size);
  };

  return {
    base: 0n,
    held: () => ioas.areas,
    reset({ scenario }) {
      const large = RegExp(`(${SIZE}) IOPTE`).exec(scenario)?.[1] ?? (/hugetlb/.test(scenario) ? '1M' : undefined);
      if (large !== undefined) iopteSizes = [parseSize(large), PAGE];
      if (/HUGE_PAGES=0|pages? dirtied|dirty page|areas with a hole/.test(scenario)) iopteSizes = [PAGE];
      reset();
    },
    map: ({ iova, size, count }) => ioasMap(ioas, { iova, length: size, count }).errno === null,
    learn({ op, out }) {
      if (op !== 'IOMMU_IOAS_IOVA_RANGES' || out?.ranges === undefined) return;
      alignment = BigInt(out.iova_alignment ?? PAGE);
      iovaRanges = out.ranges.map(([first, last]) => ({
        iova: BigInt(first),
        size: BigInt(last) - BigInt(first) + 1n,
      }));
      reset();
    },
    prepare({ scenario, inputs }) {
      // Where many areas are made is not recorded, so nothing may be in their way.
      if (inputs.map_size !== undefined || inputs.areas !== undefined) reset();
      if (/hole filled/.test(scenario)) fillHoles(ioas, rangeOf(inputs));
      for (const { iova, size } of writtenBefore(scenario, inputs, ioas)) write(iova, size);
    },
    call(c) {
      const { inputs, scenario, op } = c;
      if (c.api === 'vfio-compat') return compatCall(ioas, c);
      switch (op) {
        case 'IOMMU_IOAS_MAP':
        case 'IOMMU_IOAS_MAP_FILE':
          return mapCall(ioas, c);
        case 'IOMMU_IOAS_UNMAP': {
          const { iova, size } = rangeOf(inputs);
          const { errno, length, unmapped } = ioasUnmap(ioas, iova, size);
          return { errno, size: length, changed: unmapped.length > 0, settled: errno !== null && errno !== 'ENOENT' };
        }
        case 'IOMMU_HWPT_ALLOC': {
          const { flags } = inputs;
          if (flags === undefined || /fault id/.test(scenario)) return reasons.inputs;
          const capable = dirtyTracking && !/without support/.test(scenario);
          const { errno } = allocHwpt(openIoas({ ...ioas.setup, dirtyTracking: capable }), flags);
          if (errno === null) hwpt((flags & hwptFlag.dirtyTracking) !== 0);
          return { errno, changed: false, settled: true };
        }
        case 'IOMMU_HWPT_SET_DIRTY_TRACKING':
          return { errno: setDirtyTracking(hwptOf(c), inputs.flags ?? 0), changed: false, settled: true };
        case 'IOMMU_HWPT_GET_DIRTY_BITMAP':
          return readCall(hwptOf(c), c);
        default:
          return reasons.call;
      }
    },
  };
}

type Range = Pick<MappingRun, 'iova' | 'size'>;

/** What a scenario says was written before its call: the first page, or pages, where it does not say which. */
function writtenBefore(scenario: string, inputs: Case['inputs'], { areas }: Ioas): Range[] {
  if (inputs.dirty_iova !== undefined) return [{ iova: BigInt(inputs.dirty_iova), size: PAGE }];
  const { iova } = rangeOf(inputs);
  const pages = /(\d+) pages? dirtied/.exec(scenario)?.[1];
  if (pages !== undefined) return [{ iova, size: BigInt(pages) * PAGE }];
  if (/4K dirty page|dirty page present|one DMA write|^same with/.test(scenario)) return [{ iova, size: PAGE }];
  return /both dirty/.test(scenario) ? [...areas].map((area) => ({ iova: area.iova, size: PAGE })) : [];
}

/** Maps what is not mapped in a range, from its start to its last area. */
function fillHoles(ioas: Ioas, { iova, size }: Range): void {
  let next = iova;
  for (const area of ioas.areas.overlapping(iova, iova + size - 1n)) {
    if (area.iova > next) ioasMap(ioas, { iova: next, length: area.iova - next });
    next = lastByte(area) + 1n;
  }
}

function mapCall(ioas: Ioas, { inputs, mappings_made, scenario, op }: Case): Answer | string {
  const { iova, size } = rangeOf(inputs);
  if (op === 'IOMMU_IOAS_MAP_FILE') {
    const each = RegExp(`made of (${SIZE}) areas`).exec(scenario)?.[1];
    if (each === undefined || inputs.areas === undefined) return reasons.inputs;
    const { errno } = ioasMap(ioas, { iova: 0n, length: parseSize(each), count: BigInt(inputs.areas) });
    return { errno, changed: true, settled: true };
  }
  if (inputs.map_size !== undefined && mappings_made !== undefined) {
    const { errno } = ioasMap(ioas, { iova: 0n, length: BigInt(inputs.map_size), count: BigInt(mappings_made) });
    return { errno, changed: true, settled: true };
  }
  if (inputs.iova === undefined) return reasons.inputs;
  const flags = inputs.flags ?? 7;
  const absent = /vaddr unmapped/.test(scenario);
  const { errno } = ioasMap(ioas, { iova, length: size, flags, absent });
  if (errno === null && (flags & ioasMapFlag.fixedIova) === 0) return reasons.allocated;
  return { errno, changed: errno === null, settled: true };
}

function readCall(hwpt: Hwpt | undefined, { inputs, scenario, bits_set }: Case): Answer | string {
  if (inputs.size !== undefined && inputs.size < GET_DIRTY_BITMAP_BYTES)
    return { errno: 'EINVAL', changed: false, settled: true };
  const { iova, size } = rangeOf(inputs);
  const pageSize = BigInt(inputs.page_size ?? PAGE);
  const grain = lowestBit(pageSize) || 1n;
  const counted = inputs.bitmap_bytes_needed === undefined ? size / grain : BigInt(inputs.bitmap_bytes_needed) * 8n;
  const prefilled = /prefilled with ones/.test(scenario);
  const { errno, dirty } = getDirtyBitmap(hwpt, {
    iova,
    length: size,
    pageSize,
    flags: inputs.flags ?? 0,
    reserved: /reserved non-zero/.test(scenario),
    writable: (inputs.data ?? 'ok') === 'ok',
    ...(prefilled && { prefilled: [{ iova, size: grain, count: counted }] }),
  });
  const bits = new MappingRuns(dirty);
  const among = (first: bigint, count: bigint): bigint =>
    count === 0n ? 0n : totalMappings(bits.overlapping(iova + first * grain, iova + (first + count) * grain - 1n));
  return {
    errno,
    ...(bits_set !== null && {
      bits: {
        bits_set: among(0n, counted),
        bits_past_range: among(size / grain, PAGE * 8n),
        bits_set_in_first_bitmap_page: among(0n, PAGE * 8n),
      },
    }),
    changed: errno === null && inputs.flags === 0,
    settled: errno !== null || bits_set === null || prefilled,
  };
}

function compatCall(ioas: Ioas, { inputs, op }: Case): Answer | string {
  if (op.startsWith('VFIO_IOMMU_DIRTY_PAGES')) return { errno: 'ENOTTY', changed: false, settled: true };
  if (op === 'VFIO_IOMMU_MAP_DMA') return reasons.inputs;
  if (op !== 'VFIO_IOMMU_UNMAP_DMA') return reasons.call;
  const { errno, size, unmapped } = compatUnmapDma(ioas, { ...rangeOf(inputs), flags: inputs.flags ?? 0 });
  return { errno, size, changed: unmapped.length > 0, settled: errno !== null && errno !== 'ENOENT' };
}
