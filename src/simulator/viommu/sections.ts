import type { Viommu } from '../machine.ts';
import { ADDRESS_MAX } from '../uint64.ts';
import type { Notifier } from './notifier.ts';

/** First and last byte of the interrupt window, which no IOMMU section covers (vtd-ir, priority 1 at 0xfee00000). */
export const INTERRUPT_WINDOW: Notifier = { start: 0xfee0_0000n, end: 0xfeef_ffffn };

/**
 * VFIO's two notifiers of a device behind intel-iommu, one each side of the interrupt window, in the order in which
 * QEMU visits them: the upper one was registered last and stands at the head of the list. amd-iommu's are the same.
 *
 * Observed in running QEMU 10.0.2, 10.0.13 and 11.1.3. The upper range is that of the section, up to 2^64 − 1, not
 * clipped to the address width.
 */
export const intelNotifiers: readonly Notifier[] = [
  { start: INTERRUPT_WINDOW.end + 1n, end: ADDRESS_MAX },
  { start: 0n, end: INTERRUPT_WINDOW.start - 1n },
];

const wholeSpace: readonly Notifier[] = [{ start: 0n, end: ADDRESS_MAX }];

/** VFIO's notifiers of a vIOMMU, one a section, in the order in which QEMU visits them. */
export function notifiersOf({ model }: Viommu): readonly Notifier[] {
  switch (model) {
    case 'intel':
    case 'amd':
      return intelNotifiers;
    case 'virtio':
      return wholeSpace;
    case 'smmuv3':
    case 'none':
      return [];
  }
}
