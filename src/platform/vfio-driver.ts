/** What a VFIO driver of the host can do. Absent: it depends on the device, or was not researched. */
export interface DriverAbilities {
  readonly protocol?: 'v2' | 'none';
  readonly dmaLogging: boolean;
}

/**
 * VFIO drivers by module name. DMA logging: which have `log_ops` in Linux 6.1, 6.12 and 7.1. The plain vfio-pci driver
 * has no migration uAPI (observed on 7.1.8).
 */
const drivers: ReadonlyMap<string, DriverAbilities> = new Map(
  Object.entries<DriverAbilities>({
    vfio_pci: { protocol: 'none', dmaLogging: false },
    mlx5_vfio_pci: { protocol: 'v2', dmaLogging: true },
    pds_vfio_pci: { dmaLogging: true },
    hisi_acc_vfio_pci: { dmaLogging: false },
    qat_vfio_pci: { dmaLogging: false },
    virtio_vfio_pci: { dmaLogging: false },
    nvgrace_gpu_vfio_pci: { dmaLogging: false },
    xe_vfio_pci: { dmaLogging: false },
  }),
);

/** The abilities of the driver called `name`, with hyphens or underscores; `undefined` for one that is not known. */
export const driverAbilities = (name: string): DriverAbilities | undefined => drivers.get(name.replaceAll('-', '_'));
