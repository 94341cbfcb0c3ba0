import { constant, is, isFalse, map, type Truth } from '../descriptor/fact.ts';
import { type ContainerHere, containerRule } from './rule.ts';

const FEW = constant(false);

/** Sections of RAM and DIMMs never come near even a small limit. */
const mapsFew = ({ host: { dmaEntryLimit }, container: { devices }, vm: { descriptor } }: ContainerHere): boolean =>
  dmaEntryLimit > 1024 &&
  devices.every(({ descriptor: { mappings } }) => mappings === undefined) &&
  !descriptor.hotplugged?.some(({ model }) => model === 'virtio-mem');

/** At the least that it maps. */
const exceeds = ({ host: { dmaEntryLimit }, container }: ContainerHere): Truth =>
  map(container.needs, (its) => its !== null && (its.atLeast ?? its.figures).dmaEntries > BigInt(dmaEntryLimit));

export const hostDmaEntries = containerRule({
  id: 'host-dma-entries',
  title: 'The container holds more mappings than type1 takes',
  why: 'Type1 takes a limited number of mappings in one container (dma_entry_limit, read when the container is opened). RAM takes one for each section, but virtio-mem one for each block, and a guest behind a vIOMMU one for each page.',
  layer: 'kernel',
  effect: 'start-failure',
  always: {
    message: 'vfio_container_dma_map({container}, {iova}, {size}, {vaddr}) = -28 (No space left on device)',
    parameters: () => ({ container: '0x…', iova: '0x…', size: '0x…', vaddr: '0x…' }),
    holds: (here) => {
      const isLegacy = is(here.container.backend, 'legacy');
      return isFalse(isLegacy) ? isLegacy : mapsFew(here) ? FEW : exceeds(here);
    },
  },
  wordings: [
    'vfio_dma_map({container}, {iova}, {size}, {vaddr}) = -28 (No space left on device)',
    '{device}: possibly running out of DMA mappings',
  ],
  liftedBy: ['raise-dma-entry-limit', 'iommufd', 'unplug-for-migration'],
  source: { confidence: 'inferred', read: ['vfio_dma_do_map, Linux 6.1 to 7.3, measured'] },
});
