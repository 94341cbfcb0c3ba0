import { any, map } from '../descriptor/fact.ts';
import { hex } from '../descriptor/quantities.ts';
import { errors, type FailedStep } from '../simulator/index.ts';
import { type Case, type DeviceHere, deviceRule } from './rule.ts';
import { fill } from './words.ts';

const message = 'vfio_container_dma_unmap({container}, {iova}, {size}) = {result} ({strerror})';

/** QEMU's words for an unmap that failed. The container's address differs from run to run. */
const parametersOf = ({ iova, size, failure }: FailedStep): Record<string, string> => ({
  container: '0x…',
  iova: hex(iova),
  size: hex(size),
  result: String(failure.result),
  strerror: errors[failure.errno].text,
});

export const unmapError = (step: FailedStep): string => fill(message, parametersOf(step));

const unmapFails: Case<DeviceHere> = {
  message,
  holds: ({ container }) =>
    any(...container.transitions.map(({ cost }) => map(cost, ({ figures }) => figures.fatal !== null))),
  parameters: ({ container }) => {
    const fatal = container.transitions
      .map(({ cost }) => (cost.known ? cost.value.figures.fatal : null))
      .find((step) => step !== null);
    return fatal ? parametersOf(fatal) : {};
  },
};

export const vfioUnmap = deviceRule({
  id: 'vfio-unmap',
  title: 'A guest’s domain switch fails the migration',
  why: 'While dirty tracking runs, an unmap that the vIOMMU asks for may need a larger dirty bitmap than type1 takes; QEMU then refuses it and the migration fails with that error. Before QEMU unmapped only what is mapped, a guest that leaves a DMA domain makes it unmap the whole aperture, in pieces of up to half of it, however little is mapped.',
  layer: 'qemu',
  behaviour: 'domainUnmap',
  effect: 'migration-failure',
  behindViommu: true,
  trigger: 'domain-switch',
  cases: {
    whole: unmapFails,
    'tracked-end-as-size': unmapFails,
    tracked: unmapFails,
    'tracked-while-migrating': unmapFails,
  },
  wordings: [
    'vfio_dma_unmap({container}, {iova}, {size}) = {result} ({strerror})',
    'UNMAP: Size of bitmap too big {bytes}',
    'VFIO_UNMAP_DMA with DIRTY_BITMAP : {strerror}',
  ],
  liftedBy: ['iommufd', 'viommu-address-width-39', 'bypass-viommu', 'remove-viommu', 'other-qemu'],
  source: { confidence: 'confirmed', read: ['vfio_iommu_map_notify, 10.2.2', '10.0.13 run'] },
});
