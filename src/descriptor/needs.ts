import { larger } from '../simulator/index.ts';
import { type Bounds, boundsOver } from './bounds.ts';
import type { Device } from './device.ts';
import { withDevices } from './dirty-sync.ts';
import { choose, type Fact, isKnownToBe, map, record } from './fact.ts';
import type { Held, MigrationRuns } from './migration-run.ts';

/** What VFIO needs of the host, from the start of the VM on. */
export interface Needs {
  /** Bytes of memory that RLIMIT_MEMLOCK must allow to be locked. */
  readonly memlockBytes: bigint;
  /** Mappings of a container, each of them a DMA entry of type1; of a VM, those of its fullest type1 container. */
  readonly dmaEntries: bigint;
}

/**
 * What a container needs of the host: as the VM starts or as its guest is now, whichever is more. `null` where QEMU takes
 * no such device.
 */
export const readNeeds = (runs: Fact<MigrationRuns>, heldAtStart: () => Fact<Held>): Fact<Bounds<Needs> | null> =>
  choose(runs, ({ runs: guests }) =>
    map(heldAtStart(), (start) => {
      if (guests.length === 0) return null;
      const witnesses = guests.flatMap(({ guest, held }) => {
        const dmaEntries = larger(start.mappings, held.mappings);
        const least = larger(start.lockedBytes, held.lockedBytes);
        const most = larger(start.lockedBytesAtMost, held.lockedBytesAtMost);
        if (least === most) return [{ guest, figures: { memlockBytes: least, dmaEntries } }];
        return [
          { guest: withDevices(guest, 'pin all that is mapped'), figures: { memlockBytes: most, dmaEntries } },
          { guest: withDevices(guest, 'pin nothing'), figures: { memlockBytes: least, dmaEntries } },
        ];
      });
      return boundsOver(['memlockBytes', 'dmaEntries'], witnesses);
    }),
  );

interface Part {
  readonly id: string;
  readonly backend: Fact<'legacy' | 'iommufd'>;
  readonly devices: readonly Device[];
  readonly needs: Fact<Bounds<Needs> | null>;
}

/**
 * What a VM's containers need of the host together, or `null` where QEMU takes a device of one of them not. The same memory counts in every container that maps it, and in each
 * of its mappings. What type1 locks counts for the process, what iommufd locks for the user, so that the limit must allow
 * the larger of the two; what other processes of that user lock is not known.
 *
 * Models `vfio_pin_pages_remote` (drivers/vfio/vfio_iommu_type1.c, Linux 6.1 to 7.1) and `iopt_pages`
 * (drivers/iommu/iommufd/pages.c).
 */
export const readVmNeeds = (containers: readonly Part[]): Fact<Bounds<Needs> | null> =>
  map(record(Object.fromEntries(containers.map((part) => [part.id, partOf(part)]))), (parts) => {
    const known = Object.values(parts).filter((part) => part !== null);
    if (known.length < containers.length) return null;
    const sum = (of: (part: KnownPart) => Needs): Needs => ({
      memlockBytes: larger(
        lockedBytes(known.filter(({ isLegacy }) => isLegacy).map(of)),
        lockedBytes(known.filter(({ isLegacy }) => !isLegacy).map(of)),
      ),
      dmaEntries: known.reduce((most, part) => (part.isLegacy ? larger(most, of(part).dmaEntries) : most), 0n),
    });
    const figures = sum((part) => part.figures);
    const assumptions = known.flatMap((part) => part.assumptions);
    return assumptions.length === 0
      ? { figures, assumptions }
      : { figures, atLeast: sum(({ atLeast, figures: exact }) => atLeast ?? exact), assumptions };
  });

interface KnownPart extends Bounds<Needs> {
  readonly isLegacy: boolean;
}

const partOf = ({ backend, devices, needs }: Part): Fact<KnownPart | null> =>
  map(
    needs,
    (its) =>
      its && {
        ...its,
        isLegacy: isKnownToBe(backend, 'legacy'),
        assumptions: its.assumptions.map((each) => `${devices[0]?.id}: ${each}`),
      },
  );

const lockedBytes = (needs: readonly Needs[]): bigint =>
  needs.reduce((total, { memlockBytes }) => total + memlockBytes, 0n);
