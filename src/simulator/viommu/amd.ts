import { lastByte, type MappingRun, MappingRuns } from '../mapping-runs.ts';
import { powerOfTwoPieces } from '../power-of-two.ts';
import type { State } from '../state.ts';
import type { Pass, Step } from '../steps.ts';
import { ADDRESS_SPACE, wrap } from '../uint64.ts';
import { entriesIn } from './guest-table.ts';
import { notifySync, notifyUnmaps } from './notify.ts';
import type { Notifier, UnmapNotice } from './notifier.ts';
import { intelNotifiers } from './sections.ts';

/** amd-iommu's notifiers are those of intel-iommu, which has the same interrupt window. */
const notifiers = intelNotifiers;

/** Bits of IOVA that a Linux guest's page table translates. */
const TABLE_BITS = 48;

/** amd-iommu cuts a range as if its addresses had all 64 bits. */
const ADDRESS_BITS = 64;

/** What is smaller than a page is not unmapped. */
const AMDVI_PAGE_SIZE = 4096n;

/**
 * The unmaps for all of `notifier`, whose ends lie on page borders: power-of-two pieces, whether or not anything is
 * mapped there, and however few address bits the guest's page tables have. All dirty bits are credited to address 0.
 * Nothing for [0, 2^64 − 1], whose length wraps to 0; VFIO's notifiers are the two beside the interrupt window, as
 * intel-iommu's are.
 *
 * Models `amdvi_address_space_unmap` (hw/i386/amd_iommu.c, QEMU 10.2 and 11.1; there is no tracked form).
 */
export function* unmapWhole(notifier: Notifier): Generator<UnmapNotice> {
  if (wrap(notifier.end - notifier.start + 1n) < AMDVI_PAGE_SIZE) return;
  for (const piece of powerOfTwoPieces(notifier.start, notifier.end, ADDRESS_BITS)) {
    yield { ...piece, count: 1n, translatedAddress: 0n };
  }
}

/** What every notifier is told when the device table entry blocks or bypasses: 44 pieces, whatever is mapped or tracks. */
export const unmapNotifiers: Pass = function* (state) {
  if (state.view !== 'viommu') return;
  for (const notifier of notifiers) {
    yield* notifyUnmaps(state, unmapWhole(notifier));
    state.tree.take(notifier.start, notifier.end);
  }
};

/**
 * Brings VFIO into line with the guest's page table, between `start` (inclusive) and `end` (exclusive). An unmap has the
 * size of what was mapped, not of the hole; a mapping in place of another is sent as it is, and not recorded.
 *
 * Models `amdvi_sync_shadow_page_table_range` and `amdvi_notify_iommu` (hw/i386/amd_iommu.c, QEMU 10.2), from the reference
 * alone: no AMD guest was observed.
 */
export function* walkRange(state: State, start: bigint, end: bigint): Generator<Step> {
  const { table, tree } = state;
  if (state.view !== 'viommu' || state.domain !== 'dma') return;
  for (const { kind, run } of entriesIn(table, TABLE_BITS, start, end)) {
    if (kind === 'hole') {
      for (const gone of tree.take(run.iova, lastByte(run))) {
        yield* notifySync(state, { type: 'unmap-hole', run: gone }, notifiers);
      }
    } else yield* mapLeaves(state, run);
  }
}

/** Each leaf of `run` is sent and recorded where nothing is mapped, and sent again, in vain, where something else is. */
function* mapLeaves(state: State, run: MappingRun): Generator<Step> {
  const { tree } = state;
  const left = new MappingRuns([run]);
  function* mapNew(end: bigint): Generator<Step> {
    for (const leaves of left.take(run.iova, end)) {
      tree.add(leaves);
      yield* notifySync(state, { type: 'map', run: leaves }, notifiers);
    }
  }
  for (const known of tree.overlapping(run.iova, lastByte(run))) {
    for (const leaves of left.take(known.iova, lastByte(known))) {
      if (leaves.iova > run.iova) yield* mapNew(leaves.iova - 1n);
      if (!isSame(leaves, known)) yield* notifySync(state, { type: 'map', run: leaves }, notifiers);
    }
  }
  yield* mapNew(lastByte(run));
}

const isSame = (a: MappingRun, b: MappingRun): boolean =>
  a.iova === b.iova && a.size === b.size && a.count === b.count && a.gpa === b.gpa;

/** The walk when the device table entry turns translation on. */
export const walkPageTable: Pass = (state) => walkRange(state, 0n, ADDRESS_SPACE);
