import type { UnmapBehaviours } from '../behaviours.ts';
import type { Tracking } from '../container/unmap.ts';
import type { Machine } from '../machine.ts';
import { lastByte, type MappingRun, type MappingRuns } from '../mapping-runs.ts';
import { powerOfTwoPieces } from '../power-of-two.ts';
import type { State } from '../state.ts';
import type { Pass, Step } from '../steps.ts';
import { ADDRESS_SPACE, smaller, wrap } from '../uint64.ts';
import { announce, apartFromZero, noticeOf, type Notifier, type UnmapNotice } from './notifier.ts';
import { notifySync, notifyUnmaps } from './notify.ts';
import { intelNotifiers } from './sections.ts';
import { syncRuns } from './sync.ts';

/** The address widths that intel-iommu can be given, in bits (`vtd_decide_config`, QEMU 7.2 to 11.1). */
export const INTEL_ADDRESS_WIDTHS: readonly number[] = [39, 48];

/** Unmaps below a page do not occur; a residual would abort QEMU. */
const VTD_PAGE_SIZE = 4096n;

/**
 * The unmaps for all of `notifier` up to 2^`addressWidth` − 1: power-of-two pieces, whether or not anything is mapped
 * there. Nothing when the notifier lies above the address width.
 *
 * Models `vtd_address_space_unmap` (hw/i386/intel_iommu.c, QEMU 7.2 to 10.2, and 11.x while dirty tracking is off).
 */
export function* unmapWhole(notifier: Notifier, addressWidth: number): Generator<UnmapNotice> {
  const end = smaller(notifier.end, (1n << BigInt(addressWidth)) - 1n);
  if (end - notifier.start + 1n < VTD_PAGE_SIZE) return;
  for (const { iova, size } of powerOfTwoPieces(notifier.start, end, addressWidth)) {
    yield { iova, size, count: 1n, translatedAddress: 0n };
  }
}

/**
 * The unmaps for the mappings of `tree` that the tracked loop finds for `notifier`, ascending (QEMU's own order follows
 * the shape of its balanced tree and is unspecified). What is found is taken out of `tree`, announced or not.
 *
 * The merged loop searches from the notifier's start for as many bytes as the notifier's *end*. For the upper notifier
 * that wraps at 2^64 to just below its start: the search looks left of every mapping there and finds none, except one
 * that straddles the notifier's start. For a notifier that starts above 0 and does not wrap, it reaches too far: those
 * mappings are forgotten without being announced. The first mailed form (`tracked-while-migrating`) credits all to 0.
 *
 * Models `vtd_address_space_unmap_in_dirty_tracking` (hw/i386/intel_iommu.c, QEMU 11.0 and 11.1).
 */
export function* unmapTracked(
  notifier: Notifier,
  tree: MappingRuns,
  domainUnmap: Exclude<UnmapBehaviours['domainUnmap'], 'whole'>,
): Generator<UnmapNotice> {
  const { start, end } = notifier;
  const mailed = domainUnmap === 'tracked-while-migrating';
  const searchEnd = domainUnmap === 'tracked' ? end : wrap(start + end);
  if (searchEnd < start) {
    // After the wrap one mapping must hold both.
    const straddles = tree.overlapping(searchEnd, searchEnd).some((run) => lastByte(run) >= start);
    for (const run of straddles ? tree.take(searchEnd, searchEnd) : []) yield* cropped(run, notifier, mailed);
    return;
  }
  // Only what straddles an end needs to be cropped: of what lies between there may be a million.
  const above = tree.cutBy(end + 1n) ? tree.take(end, end) : [];
  const below = tree.cutBy(start) ? tree.take(start, start) : [];
  tree.take(end + 1n, searchEnd);
  for (const run of below) yield* cropped(run, notifier, mailed);
  for (const run of tree.drain(start, end)) {
    if (mailed || run.gpa === 0n) yield* credited(noticeOf(run), mailed);
    else yield noticeOf(run);
  }
  for (const run of above) yield* cropped(run, notifier, mailed);
}

function* cropped(run: MappingRun, notifier: Notifier, mailed: boolean): Generator<UnmapNotice> {
  for (const notice of announce(run, notifier)) yield* credited(notice, mailed);
}

function credited(notice: UnmapNotice, mailed: boolean): Iterable<UnmapNotice> {
  return mailed ? [{ ...notice, translatedAddress: 0n }] : apartFromZero(notice);
}

/** Whether intel-iommu takes the tracked loop: while any dirty tracking is on, or (first mailed form) a migration runs. */
export function tracksUnmaps({ domainUnmap }: UnmapBehaviours, tracking: Tracking): boolean {
  if (domainUnmap === 'whole') return false;
  return domainUnmap === 'tracked-while-migrating' ? tracking === 'migration' : tracking !== 'off';
}

/** What every notifier is told when the device's context entry is gone: whole, or (tracked) what the IOVA tree holds. */
export const unmapNotifiers: Pass = function* (state) {
  const { machine, tree, tracking } = state;
  const { domainUnmap } = machine.behaviours;
  if (state.view !== 'viommu') return;
  for (const notifier of intelNotifiers) {
    if (domainUnmap !== 'whole' && tracksUnmaps(machine.behaviours, tracking)) {
      yield* notifyUnmaps(state, unmapTracked(notifier, tree, domainUnmap));
    } else {
      yield* notifyUnmaps(state, unmapWhole(notifier, addressWidthOf(machine)));
      tree.take(notifier.start, notifier.end);
    }
  }
};

/** Brings VFIO into line with the guest's page table, between `start` (inclusive) and `end` (exclusive). */
export function* walkRange(state: State, start: bigint, end: bigint): Generator<Step> {
  if (state.view !== 'viommu' || state.domain !== 'dma') return;
  for (const event of syncRuns(state.table, state.tree, addressWidthOf(state.machine), start, end)) {
    yield* notifySync(state, event, intelNotifiers);
  }
}

/** The walk that follows an invalidation of more than pages. Models `vtd_address_space_sync` of a present context. */
export const walkPageTable: Pass = (state) => walkRange(state, 0n, ADDRESS_SPACE);

const addressWidthOf = ({ viommu }: Machine): number => (viommu.model === 'intel' ? viommu.addressWidth : 48);
