import { mapRun } from './container/map-step.ts';
import { carryOut } from './container/unmap-step.ts';
import type { MappingRun } from './mapping-runs.ts';
import { addMemorySections, removeMemorySections } from './memory-sections.ts';
import { type State, seesMemory } from './state.ts';
import type { Step } from './steps.ts';
import { announce, mappingOf, type Notifier } from './viommu/notifier.ts';
import { notifiersOf } from './viommu/sections.ts';
import { pieces } from './viommu/virtio.ts';
import { ADDRESS_MAX } from './uint64.ts';

/**
 * Puts the device on system memory or behind the vIOMMU, as its context entry says now: all sections of the one go, then
 * those of the other come. Without a context entry it stays behind the vIOMMU, so that blocking changes no section.
 *
 * Models `vtd_switch_address_space` (hw/i386/intel_iommu.c), `virtio_iommu_switch_address_space`,
 * `amdvi_switch_address_space` (QEMU 7.2 to 11.1).
 */
export function* switchAddressSpace(state: State): Generator<Step> {
  const view = seesMemory(state.machine, state.domain, state.translation) ? 'memory' : 'viommu';
  if (view === state.view) return;
  if (view === 'viommu') {
    yield* removeMemorySections(state);
    state.view = view;
    yield* addIommuSections(state);
  } else {
    yield* removeIommuSections(state);
    state.view = view;
    yield* addMemorySections(state);
  }
}

/**
 * The unmaps when the vIOMMU's sections are taken away: one each, lower first, none naming an entry, so that dirty bits of
 * what is still mapped are dropped.
 */
function* removeIommuSections(state: State): Generator<Step> {
  for (const { start, end } of notifiersOf(state.machine.viommu).toReversed()) {
    const size = end - start + 1n;
    yield { kind: 'section-del', region: 'iommu', iova: start, size };
    yield* carryOut(state, { cause: 'section', iova: start, size, count: 1n, named: false, creditedBytes: () => 0n });
  }
}

/** The vIOMMU's sections appear, lower first, and each is told of what is mapped there. */
function* addIommuSections(state: State): Generator<Step> {
  for (const notifier of notifiersOf(state.machine.viommu).toReversed()) {
    const { start, end } = notifier;
    yield { kind: 'section-add', region: 'iommu', iova: start, size: end - start + 1n };
    for (const run of replay(state, notifier)) {
      yield* mapRun(state, run, 'viommu');
    }
  }
}

/**
 * Tells `notifier` of all that the guest maps in its range. The IOVA tree is emptied and filled again: what it still held
 * of a domain that is gone is forgotten, though the host may map it on. QEMU does so when a section appears, and at
 * every dirty sync.
 *
 * Models `vtd_iommu_replay`, `amdvi_iommu_replay` and `virtio_iommu_replay` (QEMU 10.2).
 */
export function* replay({ machine, domain, table, tree }: State, notifier: Notifier): Generator<MappingRun> {
  const runs = domain === 'dma' ? [...table.leaves] : [];
  if (machine.viommu.model === 'virtio') {
    for (const run of runs) yield* pieces(run);
    return;
  }
  tree.take(0n, ADDRESS_MAX);
  for (const run of runs) {
    tree.add(run);
    for (const notice of announce(run, notifier)) yield mappingOf(notice);
  }
}
