import type { Machine } from '../../src/simulator/machine.ts';

/** QEMU 11.1 with one legacy device, whose writes type1 tracks for a migration; of which vIOMMU, and what is mapped, is to be said. */
export const type1Machine: Omit<Machine, 'viommu'> = {
  behaviours: {
    domainUnmap: 'tracked',
    bitmapGate: 'tracking-started',
    iommufdUnmap: 'query-first',
    regionDelBitmap: 'ram',
  },
  container: {
    backend: 'legacy',
    tracker: 'type1',
    devices: 1,
    trackingHwpts: 0,
    pageSize: 4096n,
    maxDirtyBitmapSize: 1n << 28n,
    allocatable: null,
  },
  tracking: 'migration',
  mappings: [],
  sections: [],
};
