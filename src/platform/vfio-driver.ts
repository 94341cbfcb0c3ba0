import { kernelHas } from './kernel.ts';
import { isAtLeast, type Release, type Version } from './version.ts';

/** What a VFIO driver of the host can do. Absent: it depends on the device, or was not researched. */
export interface DriverAbilities {
  readonly protocol?: 'v2' | 'none';
  readonly dmaLogging?: boolean;
}

/** A driver as Linux has it. */
interface Driver {
  readonly protocol?: 'v2' | 'none';
  /** The releases in which it was seen to have `log_ops` first and not to have them last; `null`: never. */
  readonly dmaLogging: { readonly since: Release; readonly notIn?: Release } | null;
}

/**
 * VFIO drivers by module name. DMA logging: which have `log_ops` in Linux 6.1, 6.12 and 7.1. The plain vfio-pci driver
 * has no migration uAPI (observed on 7.1.8).
 */
export const vfioDrivers: Readonly<Record<string, Driver>> = {
  vfio_pci: { protocol: 'none', dmaLogging: null },
  mlx5_vfio_pci: { protocol: 'v2', dmaLogging: { since: '6.1' } },
  pds_vfio_pci: { dmaLogging: { since: '6.12', notIn: '6.1' } },
  hisi_acc_vfio_pci: { dmaLogging: null },
  qat_vfio_pci: { dmaLogging: null },
  virtio_vfio_pci: { dmaLogging: null },
  nvgrace_gpu_vfio_pci: { dmaLogging: null },
  xe_vfio_pci: { dmaLogging: null },
};

/**
 * The abilities of the driver called `name`, with hyphens or underscores, in Linux `kernel`; one that is not given is
 * taken to be recent enough. `undefined` for a driver that is not known.
 */
export function driverAbilities(name: string, kernel?: Version): DriverAbilities | undefined {
  const module = name.replaceAll('-', '_');
  const driver = Object.hasOwn(vfioDrivers, module) ? vfioDrivers[module] : undefined;
  if (!driver) return undefined;
  const dmaLogging = logsDma(driver, kernel);
  return { ...(driver.protocol && { protocol: driver.protocol }), ...(dmaLogging !== undefined && { dmaLogging }) };
}

/** `undefined` between the last release that was seen without and the first that was seen with it. */
function logsDma({ dmaLogging }: Driver, kernel: Version | undefined): boolean | undefined {
  if (dmaLogging === null) return false;
  if (!kernel || isAtLeast(kernel, dmaLogging.since)) return true;
  const wasSeenLater = dmaLogging.notIn !== undefined && isAfter(kernel, dmaLogging.notIn);
  return kernelHas(kernel, 'dmaLogging') && wasSeenLater ? undefined : false;
}

const isAfter = ({ major, minor }: Version, release: Release): boolean =>
  isAtLeast({ major, minor, micro: 0 }, release) && `${major}.${minor}` !== release;
