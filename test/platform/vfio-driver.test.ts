import { describe, expect, it } from 'vitest';
import { parseVersion } from '../../src/platform/version.ts';
import { driverAbilities } from '../../src/platform/vfio-driver.ts';

describe('driverAbilities', () => {
  it.each<[driver: string, kernel: string | undefined, expected: ReturnType<typeof driverAbilities>]>([
    ['vfio-pci', '7.1', { protocol: 'none', dmaLogging: false }],
    ['vfio_pci', undefined, { protocol: 'none', dmaLogging: false }],
    ['mlx5_vfio_pci', '6.0', { protocol: 'v2', dmaLogging: false }],
    ['mlx5_vfio_pci', '6.1.0-56', { protocol: 'v2', dmaLogging: true }],
    // A kernel that is not named is taken to be recent enough.
    ['mlx5_vfio_pci', undefined, { protocol: 'v2', dmaLogging: true }],
    // Linux 6.1 does not have it, 6.12 does; those between were not seen.
    ['pds_vfio_pci', '5.15', { dmaLogging: false }],
    ['pds_vfio_pci', '6.1.192', { dmaLogging: false }],
    ['pds_vfio_pci', '6.6', {}],
    ['pds_vfio_pci', '6.12.107', { dmaLogging: true }],
    ['qat_vfio_pci', '7.1', { dmaLogging: false }],
    ['another_vfio_pci', '7.1', undefined],
    ['constructor', '7.1', undefined],
  ])('%s on Linux %s', (driver, kernel, expected) => {
    const version = kernel === undefined ? undefined : parseVersion(kernel);
    if (version === null) throw new Error(kernel);
    expect(driverAbilities(driver, version)).toEqual(expected);
  });
});
