import { all, choose, is, isFalse, map, no } from '../descriptor/fact.ts';
import { deviceRule } from './rule.ts';
import { behindViommu } from './viommu.ts';
import { numeral } from './words.ts';

export const viommuHostPasid = deviceRule({
  id: 'viommu-host-pasid',
  title: 'The vIOMMU’s PASIDs are wider than the host IOMMU’s',
  why: 'A PASID that the guest may use must be one that the host IOMMU has room for. QEMU compares the two widths where iommufd tells it that the host has PASIDs.',
  layer: 'qemu',
  behaviour: 'hostPasidCheck',
  effect: 'start-failure',
  behindViommu: true,
  cases: {
    bits: {
      message: 'Failed to set vIOMMU: PASID bits size {bits} > host IOMMU PASID bits size {hostBits}',
      parameters: ({ vm: { viommu }, host: { iommuPasidBits } }) => ({
        bits: numeral(viommu?.pasidBits),
        hostBits: numeral(iommuPasidBits),
      }),
      holds: (here) => {
        const { device, host } = here;
        if (device.type === 'mdev') return no;
        return behindViommu(here, ['intel'], ({ pasidBits }) => {
          const usesIommufd = all(
            map(pasidBits, (bits) => bits > 0),
            is(device.backend, 'iommufd'),
          );
          if (isFalse(usesIommufd)) return usesIommufd;
          return all(
            usesIommufd,
            choose(pasidBits, (bits) => map(host.iommuPasidBits, (hostBits) => hostBits > 0 && bits > hostBits)),
          );
        });
      },
    },
  },
  liftedBy: ['viommu-pasid-off', 'bypass-viommu', 'remove-viommu', 'other-destination'],
  source: { confidence: 'confirmed', read: ['10483d61fd7e, 11.1', '11.1.3 binary'] },
});
