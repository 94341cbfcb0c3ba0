import { all, map } from '../descriptor/fact.ts';
import { vmRule } from './rule.ts';
import { ofViommu } from './viommu.ts';

export const viommuPasidDeviceIotlb = vmRule({
  id: 'viommu-pasid-device-iotlb',
  title: 'PASIDs together with a device IOTLB',
  why: 'A device that caches translations by PASID needs invalidations by PASID, which intel-iommu first did not send. Later QEMUs take the two together.',
  layer: 'qemu',
  behaviour: 'pasidDeviceIotlb',
  effect: 'start-failure',
  cases: {
    refused: {
      message: 'PASID based device IOTLB is not supported',
      holds: ({ vm }) =>
        ofViommu(vm, ['intel'], ({ deviceIotlb, pasidBits }) =>
          all(
            deviceIotlb,
            map(pasidBits, (bits) => bits > 0),
          ),
        ),
    },
  },
  liftedBy: ['viommu-device-iotlb-off', 'viommu-pasid-off', 'other-qemu', 'remove-viommu'],
  source: { confidence: 'confirmed', read: ['7.2', '10.0.2', '10.2.2', '11.1.3 binary'] },
});
