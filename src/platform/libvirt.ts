import type { Release } from './version.ts';

/** A libvirt that first has something; `null`: later than 11.3, which does not. */
interface Feature {
  readonly since: Release | null;
  readonly what: string;
}

/** What a domain says that decides a migration, and the libvirt that first takes it. Sources: its NEWS, Nova, KubeVirt. */
export const libvirtFeatures = {
  'iommu-intel': { since: '2.1', what: "<iommu model='intel'>" },
  'iommu-caching-mode': { since: '3.4', what: '<iommu><driver intremap caching_mode eim>' },
  'iommu-iotlb': { since: '3.5', what: '<iommu><driver iotlb>' },
  'iommu-smmuv3': { since: '5.5', what: "<iommu model='smmuv3'>" },
  'iommu-aw-bits': { since: '6.5', what: '<iommu><driver aw_bits>' },
  'iommu-virtio': { since: '8.3', what: "<iommu model='virtio'>" },
  'iommu-dma-translation': { since: '10.7', what: '<iommu><driver dma_translation>' },
  'iommu-smmuv3-several': { since: '11.10', what: 'several smmuv3, each with <driver pciBus>' },
  'iommu-granule': { since: '12.1', what: '<iommu><driver granule> of virtio' },
  'iommu-amd': { since: null, what: "<iommu model='amd'>" },
  'cpu-maxphysaddr': { since: '8.7', what: '<cpu><maxphysaddr mode bits>' },
  'cpu-maxphysaddr-limit': { since: '9.3', what: '<cpu><maxphysaddr limit>' },
  'hostdev-mdev': { since: '3.2', what: "<hostdev type='mdev' model='vfio-pci'>" },
  'mdev-migration': { since: '8.6', what: 'live migration with an mdev, as Nova demands it' },
  'hostdev-driver-model': {
    since: '10.0',
    what: '<hostdev><driver model>, the VFIO variant driver; live migration with it, as Nova demands it',
  },
  'hostdev-iommufd': { since: '12.1', what: "<hostdev><driver iommufd='yes'>" },
  'domain-iommufd': { since: '12.2', what: "<iommufd enabled='yes'> for all devices" },
} as const satisfies Record<string, Feature>;
