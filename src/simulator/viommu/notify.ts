import { mapRun } from '../container/map-step.ts';
import { carryOut } from '../container/unmap-step.ts';
import type { MemorySection } from '../machine.ts';
import { type MappingRun, runBytes } from '../mapping-runs.ts';
import type { State } from '../state.ts';
import type { Step } from '../steps.ts';
import { larger, smaller } from '../uint64.ts';
import { announce, apartFromZero, mappingOf, type Notifier, type UnmapNotice } from './notifier.ts';
import type { SyncEvent } from './sync.ts';

/** VFIO unmaps what the vIOMMU tells it to. Models `vfio_iommu_map_notify` (hw/vfio/listener.c). */
export function* notifyUnmaps(state: State, notices: Iterable<UnmapNotice>): Generator<Step> {
  for (const notice of notices) {
    const { iova, size, count } = notice;
    yield* carryOut(state, {
      iova,
      size,
      count,
      cause: 'viommu',
      named: true,
      creditedBytes: (run) => creditedBytes(state, notice, run),
    });
  }
}

/** Every notifier hears of what a page walk found, cropped to its range. */
export function* notifySync(state: State, { type, run }: SyncEvent, notifiers: readonly Notifier[]): Generator<Step> {
  for (const notifier of notifiers) {
    for (const notice of announce(run, notifier)) {
      if (type === 'map') yield* mapRun(state, mappingOf(notice), 'viommu');
      else
        yield* notifyUnmaps(state, type === 'unmap' ? apartFromZero(notice) : [{ ...notice, translatedAddress: 0n }]);
    }
  }
}

/**
 * Of how many bytes of `run` the dirty bits that `notice` reads go to the guest memory that they map, as far as that is
 * known. QEMU takes the address for one of its RAM address space, which RAM above 4 GiB is not at. Every unmap of a notice
 * with address 0 credits address 0, so that of back-to-back ones at most one can be right.
 */
function creditedBytes({ sections }: State, { iova, size, translatedAddress }: UnmapNotice, run: MappingRun): bigint {
  if (translatedAddress === undefined) return runBytes(run);
  let bytes = 0n;
  for (const { offset, length, address } of ramOf(run, sections)) {
    const from = run.iova + offset - iova;
    if (translatedAddress !== 0n) {
      if (translatedAddress + from === address) bytes += length;
    } else if ((from - address) % size === 0n) {
      const end = smaller(from + length, from - address + size);
      bytes += larger(end - larger(from, from - address), 0n);
    }
  }
  return bytes;
}

/** The stretches of `run` that lie together in QEMU's RAM address space, at `address`. Outside of boot RAM that is the GPA. */
function* ramOf(
  { gpa, size, count }: MappingRun,
  sections: readonly MemorySection[],
): Generator<{ offset: bigint; length: bigint; address: bigint }> {
  if (gpa === undefined) return;
  const end = gpa + size * count;
  for (let at = gpa; at < end; ) {
    const inside = sections.find((section) => section.gpa <= at && at < section.gpa + section.size);
    const next = sections.reduce((first, section) => (section.gpa > at ? smaller(first, section.gpa) : first), end);
    const stop = inside ? smaller(end, inside.gpa + inside.size) : next;
    const address = inside?.ramAddress === undefined ? at : inside.ramAddress + (at - inside.gpa);
    yield { offset: at - gpa, length: stop - at, address };
    at = stop;
  }
}
