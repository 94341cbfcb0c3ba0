import { replay } from './address-space.ts';
import { mappingsOf } from './container/host.ts';
import { ENABLE_TRACKING, setDirtyTracking } from './container/iommufd.ts';
import { dirtyPages, dirtyPagesFlag } from './container/type1.ts';
import { bitmapBytes, TYPE1_BITMAP_MAX } from './dirty-bitmap.ts';
import { type Errno, errors } from './errno.ts';
import { type LoggingRange, type LoggingRanges, loggingRanges } from './logging-ranges.ts';
import { lastByte, type MappingRun, type MappingRuns, runBytes, totalBytes } from './mapping-runs.ts';
import type { IovaRange } from './power-of-two.ts';
import type { State } from './state.ts';
import type { Container } from './container/unmap.ts';
import { ADDRESS_SPACE, larger, smaller } from './uint64.ts';
import type { QueryStep, Step, TrackingStartStep } from './steps.ts';
import { notifiersOf } from './viommu/sections.ts';

/**
 * Starts dirty tracking: on every device of the container if all can log, else on the container if it can, else nowhere.
 *
 * Models `vfio_listener_log_global_start`, `vfio_container_set_dirty_page_tracking`, `vfio_devices_dma_logging_start`
 * (hw/vfio/listener.c, QEMU 10.2; hw/vfio/common.c from 8.0).
 */
export function* startTracking(state: State, by: 'migration' | 'dirty-rate'): Generator<Step> {
  if (state.tracking !== 'off') {
    state.tracking = by;
    return;
  }
  const { trackingStartFailure = 'fails-migration' } = state.machine.behaviours;
  state.tracking = by;
  const step = start(state);
  state.started = !step.failure;
  const reaches = by === 'migration' && trackingStartFailure !== 'printed' ? 'migration' : 'printed';
  yield step.failure ? { ...step, reaches } : step;
  // Since 9.1 a failure leaves tracking off; before, it stays on until the migration that failed of it ends.
  if (step.failure && trackingStartFailure === 'fails-migration') state.tracking = 'off';
}

function start(state: State): TrackingStartStep {
  const { machine, host } = state;
  const { tracker, devices, pageSize } = machine.container;
  const step = { kind: 'tracking-start', tracker, ioctls: 1, ranges: [], kernelBytes: 0n } as const;
  switch (tracker) {
    case 'device': {
      const { ranges, error } = rangesToLog(state, pageSize);
      if (error) return { ...step, ioctls: 0, failure: { errno: error, refusedBy: 'qemu' } };
      const refused = refusedRanges(ranges, machine.container.loggingBits);
      // The first device is asked first, and no other after it refused.
      if (refused) return { ...step, ioctls: 1, ranges, failure: { errno: refused, refusedBy: 'kernel' } };
      return { ...step, ioctls: devices, ranges };
    }
    case 'type1': {
      if (host.backend !== 'legacy') return { ...step, ioctls: 0 };
      const { errno } = dirtyPages(host.type1, { flags: dirtyPagesFlag.start });
      return {
        ...step,
        kernelBytes: host.type1.bitmapBytes,
        ...(errno && { failure: { errno, refusedBy: 'kernel' } }),
      };
    }
    case 'iommu': {
      const hwpts = host.backend === 'iommufd' ? host.ioas.hwpts.filter(({ trackable }) => trackable) : [];
      for (const hwpt of hwpts) setDirtyTracking(hwpt, ENABLE_TRACKING);
      return { ...step, ioctls: hwpts.length };
    }
    case 'none':
      return { ...step, ioctls: 0 };
  }
}

/**
 * Why a device is not started to log `ranges`: one reaches the end of the address space, two overlap, or they are together
 * too long or too short for the device, which joins those that it has too few of its own for.
 *
 * Models `vfio_ioctl_device_feature_logging_start` (drivers/vfio/vfio_main.c) and `mlx5vf_create_tracker`
 * (drivers/vfio/pci/mlx5/cmd.c), Linux 6.1 to 7.1.
 */
export function refusedRanges(
  ranges: readonly LoggingRange[],
  loggingBits: Container['loggingBits'],
): Errno | undefined {
  if (ranges.some(({ iova, size }) => iova + size >= ADDRESS_SPACE)) return 'EOVERFLOW';
  const sorted = ranges.toSorted((a, b) => (a.iova < b.iova ? -1 : 1));
  if (sorted.some(({ iova }, i) => sorted.slice(0, i).some((before) => before.iova + before.size > iova)))
    return 'EINVAL';
  if (!loggingBits) return undefined;
  const { min, max, maxRanges = sorted.length } = loggingBits;
  const length = joined(sorted, maxRanges).reduce((sum, { size }) => sum + size, 0n);
  const bits = (length - 1n).toString(2).length;
  return bits < min || bits > max ? 'EOPNOTSUPP' : undefined;
}

/** `ranges`, ascending, of which the nearest two are joined, gap and all, until `most` are left. Models `vfio_combine_iova_ranges`. */
function joined(ranges: readonly IovaRange[], most: number): readonly IovaRange[] {
  if (ranges.length <= most) return ranges;
  const gaps = ranges
    .slice(1)
    .map(({ iova }, i) => iova - (ranges[i] as IovaRange).iova - (ranges[i] as IovaRange).size);
  const least = gaps.reduce(smaller);
  const at = gaps.indexOf(least);
  const [first, second] = ranges.slice(at) as [IovaRange, IovaRange];
  const both = { iova: first.iova, size: first.size + least + second.size };
  return joined([...ranges.slice(0, at), both, ...ranges.slice(at + 2)], most);
}

/** The ranges are the hulls of all sections that VFIO is told of, the vIOMMU's included. */
function rangesToLog({ machine, view, sections }: State, pageSize: bigint): LoggingRanges {
  const listened =
    view === 'memory'
      ? sections.map(({ gpa, size, readOnly, foreign = false, vfioPci = false }) => ({
          gpa,
          size,
          regionOffset: gpa,
          kind: 'ram' as const,
          readOnly,
          vfioPci: vfioPci && !foreign,
        }))
      : notifiersOf(machine.viommu).map(({ start: gpa, end }) => ({
          gpa,
          size: end - gpa + 1n,
          regionOffset: gpa,
          kind: 'iommu' as const,
          readOnly: false,
        }));
  return loggingRanges(listened, pageSize, machine.behaviours.loggingRanges ?? 'three-writable');
}

/** Stops dirty tracking. Models `vfio_listener_log_global_stop`. */
export function* stopTracking(state: State): Generator<Step> {
  const { machine, host } = state;
  if (state.tracking === 'off') return;
  if (host.backend === 'legacy') dirtyPages(host.type1, { flags: dirtyPagesFlag.stop });
  else for (const hwpt of host.ioas.hwpts) setDirtyTracking(hwpt, 0);
  const ioctls = state.started ? queriesOf(machine.container) : 0;
  state.tracking = 'off';
  state.started = false;
  yield { kind: 'tracking-stop', ioctls };
}

/**
 * One pass: a query for every section of system memory, or for every mapping behind a vIOMMU, whose IOVA tree is emptied
 * and filled again on the way. From 10.0 on nothing is asked, and nothing marked, where nobody tracks. Read-only sections
 * are passed over since 11.0, BARs always: they are not migrated. So are mappings that a guest makes read-only, but a
 * guest's mappings are all taken to be writable here.
 *
 * Models `vfio_listener_log_sync`, `vfio_sync_dirty_bitmap`, `vfio_iommu_map_dirty_notify` (hw/vfio/listener.c, QEMU 10.2
 * and 11.0).
 */
export function* syncDirtyPages(state: State): Generator<Step> {
  const { machine, view, sections, tracking, started } = state;
  const { bitmapGate, loggingRanges: logged = 'three-writable' } = machine.behaviours;
  const { tracker } = machine.container;
  const asked = bitmapGate === 'tracking-started' ? started && tracker !== 'none' : tracking === 'migration';
  if (view === 'memory') {
    if (!asked) return;
    for (const { gpa, size, readOnly, vfioPci = false } of sections) {
      if (vfioPci || (readOnly && logged === 'three-writable')) continue;
      yield* query(state, { iova: gpa, size, count: 1n, gpa });
    }
    return;
  }
  for (const notifier of notifiersOf(machine.viommu).toReversed()) {
    // The tree is filled anew whether or not anything is asked.
    for (const run of replay(state, notifier)) if (asked) yield* query(state, run);
  }
}

const queriesOf = ({ tracker, devices, trackingHwpts }: State['machine']['container']): number =>
  tracker === 'device' ? devices : tracker === 'iommu' ? trackingHwpts : tracker === 'type1' ? 1 : 0;

/** Models `vfio_container_query_dirty_bitmap`: one bitmap, shared by all that are asked. */
function* query(state: State, run: MappingRun): Generator<QueryStep> {
  const { machine, host, tracking } = state;
  const { container } = machine;
  const { iova, size, count, gpa } = run;
  const queried = (
    bytes: bigint,
    ioctls: number,
    dirtyBytes: bigint,
    dirtyBytesAtMost: bigint,
    failure?: QueryStep['failure'],
  ): QueryStep => ({
    kind: 'query',
    iova,
    size,
    count,
    ...(gpa !== undefined && { gpa }),
    bitmapBytes: bytes,
    ioctls,
    dirtyBytes,
    dirtyBytesAtMost,
    ...(failure && { failure, reaches: tracking === 'migration' ? 'migration' : 'printed' }),
  });
  if (container.tracker === 'none') {
    yield queried(0n, 0, runBytes(run), runBytes(run));
    return;
  }
  const bytes = bitmapBytes(size, container.pageSize);
  if (bytes === 0n || (container.allocatable !== null && bytes > container.allocatable)) {
    const failure = { result: -12, errno: 'ENOMEM', refusedBy: 'allocator' } as const;
    yield queried(0n, 0, 0n, 0n, failure);
    return;
  }
  const ioctls = queriesOf(container);
  if (container.tracker !== 'type1' || host.backend !== 'legacy') {
    yield queried(bytes, ioctls, 0n, mappedBytes(mappingsOf(host), run));
    return;
  }
  const { errno, dirtyBytes } = readType1(host.type1, run, bytes);
  const dirtyBytesAtMost = host.type1.setup.iommuGroup || errno ? dirtyBytes : mappedBytes(host.type1.mappings, run);
  const failure = errno ? ({ result: -errors[errno].number, errno, refusedBy: 'kernel' } as const) : undefined;
  yield queried(bytes, ioctls, dirtyBytes, dirtyBytesAtMost, failure);
}

/** Bytes of `run` that the host maps, which are all that a device can write. */
function mappedBytes(mappings: MappingRuns, run: MappingRun): bigint {
  const end = lastByte(run);
  return mappings
    .overlapping(run.iova, end)
    .reduce((sum, found) => sum + smaller(lastByte(found), end) - larger(found.iova, run.iova) + 1n, 0n);
}

/** Reads `run` in as few calls as one bitmap allows: back-to-back ranges give what their sum gives. */
function readType1(
  container: Parameters<typeof dirtyPages>[0],
  { iova, size, count }: MappingRun,
  bytes: bigint,
): { errno: Errno | null; dirtyBytes: bigint } {
  const { pageSize } = container.setup;
  const most = (TYPE1_BITMAP_MAX * 8n * pageSize) / size;
  const atOnce = most > 0n ? most : 1n;
  let dirtyBytes = 0n;
  for (let at = 0n; at < count; at += atOnce) {
    const length = size * (count - at < atOnce ? count - at : atOnce);
    const bitmap = { pageSize, bytes: count === 1n ? bytes : bitmapBytes(length, pageSize) };
    const { errno, dirty } = dirtyPages(container, {
      flags: dirtyPagesFlag.getBitmap,
      range: { iova: iova + at * size, size: length, bitmap },
    });
    if (errno) return { errno, dirtyBytes };
    dirtyBytes += totalBytes(dirty);
  }
  return { errno: null, dirtyBytes };
}
