import { map, no } from '../descriptor/fact.ts';
import { VIRTIO_ADDRESS_WIDTHS } from '../platform/machine.ts';
import { vmRule } from './rule.ts';
import { ofViommu } from './viommu.ts';

const [LEAST, MOST] = VIRTIO_ADDRESS_WIDTHS;

export const viommuVirtioAddressWidth = vmRule({
  id: 'viommu-virtio-address-width',
  title: 'virtio-iommu does not have this address width',
  why: 'virtio-iommu takes any width from 32 to 64 bits, since it walks no page tables of the guest. QEMU refuses any other before a device is looked at.',
  layer: 'qemu',
  behaviour: 'virtioAddressWidth',
  effect: 'start-failure',
  cases: {
    present: {
      message: 'aw-bits must be within [{least},{most}]',
      parameters: () => ({ least: String(LEAST), most: String(MOST) }),
      // What is not given is QEMU's own default, which it has.
      holds: ({ vm }) =>
        ofViommu(vm, ['virtio'], ({ addressWidth }) =>
          addressWidth.known ? map(addressWidth, (bits) => bits < LEAST || bits > MOST) : no,
        ),
    },
  },
  liftedBy: ['viommu-address-width-39', 'remove-viommu'],
  source: { confidence: 'confirmed', read: ['10.0.2 run', '10.2.2', '11.1.3 run'] },
});
