import { is } from '../descriptor/fact.ts';
import { vmRule } from './rule.ts';
import { ofViommu } from './viommu.ts';

export const viommuMachine = vmRule({
  id: 'viommu-machine',
  title: 'The machine does not take this vIOMMU',
  why: 'intel-iommu sits on the system bus, to which i440fx machines let nobody plug a device. QEMU ends at its command line.',
  layer: 'qemu',
  effect: 'start-failure',
  always: {
    message: "Parameter 'driver' expects a dynamic sysbus device type for the machine",
    holds: ({ vm }) => ofViommu(vm, ['intel'], () => is(vm.board, 'i440fx')),
  },
  wordings: ['virtio-iommu-pci must be plugged on the root bus'],
  liftedBy: ['newer-machine', 'remove-viommu'],
  source: { confidence: 'confirmed', read: ['7.2.22, 10.0.2 and 11.1.3 run'] },
});
