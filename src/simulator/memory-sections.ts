import type { UnmapRequest } from './container/unmap-step.ts';
import type { Machine, MemorySection } from './machine.ts';

/**
 * The unmaps when the sections of system memory are taken away from a container, one each.
 *
 * Until 10.2 they name no entry, so that their dirty bits are dropped. Since 11.0 writable sections name one while dirty
 * tracking runs; 11.0 credits its bits to the IOVA taken for a RAM address, which above 4 GiB is other memory.
 *
 * Models `vfio_listener_region_del` (hw/vfio/listener.c, QEMU 7.2 to 11.1).
 */
export function* removeMemorySections({ behaviours, tracking, sections }: Machine): Generator<UnmapRequest> {
  const { regionDelBitmap } = behaviours;
  for (const section of sections) {
    yield {
      cause: 'section',
      iova: section.gpa,
      size: section.size,
      count: 1n,
      named: regionDelBitmap !== 'none' && tracking !== 'off' && !section.readOnly,
      credits: () => regionDelBitmap === 'ram' || isIdentityMapped(section),
    };
  }
}

const isIdentityMapped = ({ gpa, ramAddress }: MemorySection): boolean => gpa === ramAddress;
