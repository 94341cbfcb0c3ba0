import { mapRun } from './container/map-step.ts';
import { carryOut } from './container/unmap-step.ts';
import { type MemorySection, mappingsOfSection } from './machine.ts';
import { totalBytes } from './mapping-runs.ts';
import type { State } from './state.ts';
import type { Step } from './steps.ts';

/** Takes every section of system memory away from a container; see {@link removeMemorySection}. */
export function* removeMemorySections(state: State): Generator<Step> {
  for (const section of state.sections) yield* removeMemorySection(state, section);
}

/** Gives a container every section of system memory. */
export function* addMemorySections(state: State): Generator<Step> {
  for (const section of state.sections) yield* addMemorySection(state, section);
}

/**
 * The unmap when a section of system memory is taken away from a container: one, into however many maps it was cut.
 *
 * Until 10.2 it names no entry, so that its dirty bits are dropped. Since 11.0 that of a writable section names one while
 * dirty tracking runs; 11.0 credits its bits to the IOVA taken for a RAM address, which above 4 GiB is other memory. That
 * of virtio-mem never names one.
 *
 * Models `vfio_listener_region_del` and `vfio_ram_discard_notify_discard` (hw/vfio/listener.c, QEMU 7.2 to 11.1).
 */
export function* removeMemorySection(state: State, section: MemorySection): Generator<Step> {
  const { regionDelBitmap } = state.machine.behaviours;
  const { gpa, size, readOnly, vfioPci = false, blockSize } = section;
  yield { kind: 'section-del', region: 'memory', iova: gpa, size };
  yield* carryOut(state, {
    cause: 'section',
    iova: gpa,
    size,
    count: 1n,
    named: regionDelBitmap !== 'none' && state.tracking !== 'off' && !readOnly && blockSize === undefined,
    // A BAR is not copied, so that no dirty bits of it are missed.
    readOnly: readOnly || vfioPci,
    creditedBytes: (run) => (regionDelBitmap === 'ram' || gpa === section.ramAddress ? totalBytes([run]) : 0n),
  });
}

/**
 * The map when a section of system memory appears: one, whatever its size, but for virtio-mem one a block. QEMU gives up
 * when it fails, unless the section is a device's BAR, which only other devices would reach.
 *
 * Models `vfio_listener_region_add` and `vfio_ram_discard_notify_populate` (hw/vfio/listener.c, QEMU 7.2 to 11.1).
 */
export function* addMemorySection(state: State, section: MemorySection): Generator<Step> {
  const { gpa, size, readOnly, vfioPci = false } = section;
  yield { kind: 'section-add', region: 'memory', iova: gpa, size };
  yield* mapRun(state, mappingsOfSection(section), 'section', { readOnly, deviceMemory: vfioPci });
}
