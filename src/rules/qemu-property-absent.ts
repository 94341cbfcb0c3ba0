import { all, any, is, isFalse, isTrue, map, no, not, type Truth } from '../descriptor/fact.ts';
import type { Qemu } from '../descriptor/host.ts';
import type { Scenario } from '../descriptor/scenario.ts';
import type { ViommuDescriptor } from '../descriptor/schema.ts';
import type { Viommu } from '../descriptor/vm.ts';
import { vmRule } from './rule.ts';

/** A property of a vIOMMU that not every QEMU has. */
interface Property {
  readonly model: ViommuDescriptor['model'];
  readonly name: string;
  /** Whether another value is asked for than a QEMU without the property acts upon. */
  readonly isAskedFor: (viommu: Viommu, given: ViommuDescriptor) => Truth;
  readonly isAbsent: (qemu: Qemu) => Truth;
}

/** Of several that it lacks QEMU names one: in the order seen. */
const properties: readonly Property[] = [
  {
    model: 'intel',
    name: 'intel-iommu.svm',
    isAskedFor: ({ svm }) => svm,
    isAbsent: ({ svmProperty }) => is(svmProperty, 'absent'),
  },
  {
    model: 'intel',
    name: 'intel-iommu.x-flts',
    isAskedFor: ({ firstStage }) => firstStage,
    isAbsent: ({ firstStageDevices }) => is(firstStageDevices, 'absent'),
  },
  {
    model: 'intel',
    name: 'intel-iommu.fs1gp',
    isAskedFor: ({ firstStage1g }) => not(firstStage1g),
    isAbsent: ({ firstStageDevices }) => is(firstStageDevices, 'absent'),
  },
  {
    model: 'intel',
    name: 'intel-iommu.dma-drain',
    isAskedFor: ({ dmaDrain }) => not(dmaDrain),
    isAbsent: ({ dmaDrainProperty }) => is(dmaDrainProperty, 'absent'),
  },
  {
    model: 'virtio',
    name: 'virtio-iommu-pci.aw-bits',
    isAskedFor: ({ addressWidth }, given) => (given.addressWidth === undefined ? no : map(addressWidth, () => true)),
    isAbsent: ({ virtioAddressWidth }) => is(virtioAddressWidth, 'absent'),
  },
  {
    model: 'amd',
    name: 'amd-iommu.dma-remap',
    isAskedFor: ({ dmaRemap }) => dmaRemap,
    isAbsent: ({ amdAssignment }) => is(amdAssignment, 'none'),
  },
  {
    model: 'amd',
    name: 'amd-iommu.pci-id',
    isAskedFor: ({ hasPciId }) => hasPciId,
    isAbsent: ({ amdMigration }) => is(amdMigration, 'never'),
  },
];

const isMissing = (property: Property, viommu: Viommu, given: ViommuDescriptor, qemu: Qemu): Truth => {
  const asked = property.isAskedFor(viommu, given);
  return isFalse(asked) ? asked : all(asked, property.isAbsent(qemu));
};

/** For each property of the vIOMMU whether it is asked for and missing. */
function missing({ vm: { viommu, descriptor }, host: { qemu } }: Scenario): { name: string; is: Truth }[] {
  const { viommu: given } = descriptor;
  if (!viommu || !given) return [];
  return properties
    .filter(({ model }) => model === given.model)
    .map((property) => ({ name: property.name, is: isMissing(property, viommu, given, qemu) }));
}

export const qemuPropertyAbsent = vmRule({
  id: 'qemu-property-absent',
  title: 'This QEMU does not have a property that is asked for',
  why: 'Devices gain properties from release to release and lose some. QEMU ends at the first one on its command line that it does not know.',
  layer: 'qemu',
  effect: 'start-failure',
  always: {
    message: "Property '{property}' not found",
    parameters: (here) => ({ property: missing(here).find((each) => isTrue(each.is))?.name }),
    holds: (here) => (here.vm.viommu === null ? here.vm.hasViommu : any(...missing(here).map((each) => each.is))),
  },
  liftedBy: [
    'viommu-svm-off',
    'viommu-first-stage-off',
    'viommu-dma-drain',
    'other-qemu',
    'other-destination',
    'remove-viommu',
  ],
  source: { confidence: 'confirmed', read: ['7.2.22, 10.0.2 and 11.1.3 run'] },
});
