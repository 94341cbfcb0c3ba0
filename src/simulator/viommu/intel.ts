import type { UnmapBehaviours } from '../behaviours.ts';
import type { UnmapRequest } from '../container/unmap-step.ts';
import type { Tracking } from '../container/unmap.ts';
import type { Machine } from '../machine.ts';
import { lastByte, type MappingRun, type MappingRuns } from '../mapping-runs.ts';
import { powerOfTwoPieces } from '../power-of-two.ts';
import { ADDRESS_MAX, smaller, wrap } from '../uint64.ts';
import { announce, type Notifier, type UnmapNotice } from './notifier.ts';

/** First and last byte of the interrupt window, which no IOMMU section covers (vtd-ir, priority 1 at 0xfee00000). */
export const INTERRUPT_WINDOW: Notifier = { start: 0xfee0_0000n, end: 0xfeef_ffffn };

/** The address widths that intel-iommu can be given, in bits (`vtd_decide_config`, QEMU 7.2 to 11.1). */
export const INTEL_ADDRESS_WIDTHS: readonly number[] = [39, 48];

/**
 * VFIO's two notifiers of a device behind intel-iommu, one each side of the interrupt window, in the order in which
 * QEMU visits them: the upper one was registered last and stands at the head of the list.
 *
 * Observed in running QEMU 10.0.2, 10.0.13 and 11.1.3. The upper range is that of the section, up to 2^64 − 1, not
 * clipped to the address width.
 */
export const intelNotifiers: readonly Notifier[] = [
  { start: INTERRUPT_WINDOW.end + 1n, end: ADDRESS_MAX },
  { start: 0n, end: INTERRUPT_WINDOW.start - 1n },
];

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
  const searchEnd = domainUnmap === 'tracked' ? notifier.end : wrap(notifier.start + notifier.end);
  for (const run of found(tree, notifier.start, searchEnd)) {
    for (const notice of announce(run, notifier)) {
      yield domainUnmap === 'tracked-while-migrating' ? { ...notice, translatedAddress: 0n } : notice;
    }
  }
}

/** Takes out the mappings that a search for [start, end] meets. When end < start, as after a wrap, one must hold both. */
function found(tree: MappingRuns, start: bigint, end: bigint): MappingRun[] {
  if (start <= end) return tree.take(start, end);
  const straddles = tree.overlapping(end, end).some((run) => lastByte(run) >= start);
  return straddles ? tree.take(end, end) : [];
}

/** Whether intel-iommu takes the tracked loop: while any dirty tracking is on, or (first mailed form) a migration runs. */
export function tracksUnmaps({ domainUnmap }: UnmapBehaviours, tracking: Tracking): boolean {
  if (domainUnmap === 'whole') return false;
  return domainUnmap === 'tracked-while-migrating' ? tracking === 'migration' : tracking !== 'off';
}

/** What every notifier is told when the device's context entry is gone. Takes out of `tree` what is announced. */
export function* unmapNotifiers({ behaviours, viommu, tracking }: Machine, tree: MappingRuns): Generator<UnmapRequest> {
  const { domainUnmap } = behaviours;
  for (const notifier of intelNotifiers) {
    const notices =
      domainUnmap !== 'whole' && tracksUnmaps(behaviours, tracking)
        ? unmapTracked(notifier, tree, domainUnmap)
        : unmapWhole(notifier, viommu.addressWidth);
    for (const notice of notices) {
      yield { ...notice, cause: 'viommu', named: true, credits: (run) => isCreditedBy(notice, run) };
    }
  }
}

/** Whether the dirty bits that `notice` reads for `run` go to the guest memory that `run` maps, as far as it is known. */
const isCreditedBy = ({ iova, translatedAddress }: UnmapNotice, run: MappingRun): boolean =>
  translatedAddress === undefined || translatedAddress + (run.iova - iova) === run.gpa;

/** The unmaps when the two IOMMU sections are taken away: one each, lower first, neither naming an entry. */
export function* removeIommuSections(): Generator<UnmapRequest> {
  for (const { start, end } of intelNotifiers.toReversed()) {
    yield { cause: 'section', iova: start, size: end - start + 1n, count: 1n, named: false, credits: () => false };
  }
}
