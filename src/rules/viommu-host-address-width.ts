import { choose, map, no } from '../descriptor/fact.ts';
import { deviceRule } from './rule.ts';
import { behindViommu } from './viommu.ts';
import { numeral } from './words.ts';

export const viommuHostAddressWidth = deviceRule({
  id: 'viommu-host-address-width',
  title: 'The vIOMMU’s address width exceeds the host IOMMU’s',
  why: 'An IOVA that the guest may use must be one that the host IOMMU can translate, or mapping it fails at run time. QEMU compares the two widths when a physical device is plugged in; an mdev has no host IOMMU to compare with.',
  layer: 'qemu',
  behaviour: 'addressWidthCheck',
  effect: 'start-failure',
  behindViommu: true,
  cases: {
    'host-width': {
      message: 'Failed to set vIOMMU: aw-bits {width} > host aw-bits {hostWidth}',
      parameters: ({ vm: { viommu }, host }) => ({
        width: numeral(viommu?.addressWidth),
        hostWidth: numeral(host.iommuAddressWidth),
      }),
      holds: (here) =>
        here.device.type === 'mdev'
          ? no
          : behindViommu(here, ['intel'], ({ addressWidth }) =>
              choose(addressWidth, (width) => map(here.host.iommuAddressWidth, (hostWidth) => width > hostWidth)),
            ),
    },
  },
  // What went before these words is known of 10.2 and later.
  wordings: ['aw-bits {width} > host aw-bits {hostWidth}'],
  liftedBy: ['viommu-address-width-39', 'bypass-viommu', 'remove-viommu', 'other-destination'],
  source: { confidence: 'confirmed', read: ['9.1 patches', '10.0.2', '10.2.2', '11.1.3 binary'] },
});
