import { powerOfTwoPieces } from '../power-of-two.ts';
import { wrap } from '../uint64.ts';
import type { Notifier, UnmapNotice } from './notifier.ts';

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
