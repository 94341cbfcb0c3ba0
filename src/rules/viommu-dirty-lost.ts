import { any, choose, isFalse, map, no, type Truth } from '../descriptor/fact.ts';
import type { Transition } from '../descriptor/transitions.ts';
import { type DeviceHere, deviceRule } from './rule.ts';

export const viommuDirtyLost = deviceRule({
  id: 'viommu-dirty-lost',
  title: 'A guest’s domain switch loses dirty pages',
  why: 'When the guest moves its device to another domain, QEMU takes mappings away without asking which pages are dirty, or credits the answer to other pages: it takes guest physical addresses for offsets into RAM, which differ above 4 GiB. What the device wrote since the last pass is not sent again.',
  layer: 'qemu',
  effect: 'data-loss',
  behindViommu: true,
  trigger: 'domain-switch',
  always: {
    message: null,
    holds: (here) => {
      const isLost = any(...here.container.transitions.map(losesDirtyPages));
      return isFalse(isLost) ? any(...here.container.transitions.map((each) => creditsOthers(each, here))) : isLost;
    },
  },
  liftedBy: ['bypass-viommu', 'remove-viommu', 'other-qemu', 'unplug-for-migration'],
  source: {
    confidence: 'inferred',
    read: [
      'vfio_legacy_dma_unmap_get_dirty_bitmap, 11.1.3 binary',
      'vfio_listener_region_del, 10.2.2 and 11.1.3 binary',
    ],
  },
});

const losesDirtyPages = ({ cost }: Transition): Truth => map(cost, ({ figures }) => figures.dirtyBytesLost > 0n);

/** The tracked loop tells guest addresses, which above 4 GiB are not where QEMU’s RAM lies; which ones a guest maps may be open. */
const creditsOthers = ({ cost }: Transition, { container, device }: DeviceHere): Truth => {
  const { mappings } = device.descriptor;
  if (mappings?.length === 0) return no;
  return choose(cost, ({ strategy }) =>
    strategy === 'tracked'
      ? map(container.sections, ({ sections }) =>
          sections.some(
            ({ gpa, size, ramAddress }) =>
              ramAddress !== undefined &&
              ramAddress !== gpa &&
              (mappings === undefined ||
                mappings.some((each) => each.gpa === undefined || isWithin(BigInt(each.gpa), gpa, size))),
          ),
        )
      : no,
  );
};

const isWithin = (address: bigint, start: bigint, size: bigint): boolean => start <= address && address < start + size;
