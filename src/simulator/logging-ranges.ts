import type { Behaviours } from './behaviours.ts';
import type { Errno } from './errno.ts';
import { type ListenerSection, vfioRange } from './listener-section.ts';
import type { IovaRange } from './power-of-two.ts';
import { larger, smaller, wrap } from './uint64.ts';

const UINT32_MAX = 0xffff_ffffn;

/** The classes that sections fall into, in the order in which their ranges are handed to the device. */
const classes = ['below-4g', 'above-4g', 'pci-above-4g'] as const;

/** A range that a device is told to log. `size` is 0 for the whole space of 2^64, as QEMU's sum wraps. */
export interface LoggingRange extends IovaRange {
  readonly class: (typeof classes)[number];
}

/** At most one range a class; `error` is set when QEMU fails to prepare them, which is when there are none. */
export interface LoggingRanges {
  readonly ranges: readonly LoggingRange[];
  readonly error?: Errno;
}

/**
 * The ranges that each device of a container is told to log when dirty tracking starts: the hulls of the `sections` of its
 * address space that end below 4 GiB, of the others, and (three ranges) of assigned devices' 64-bit BARs, which a host
 * may place so high that one hull with RAM would exceed what a device can log. Holes are logged too, a section across
 * 4 GiB counts as above, and so does the vIOMMU's own region.
 *
 * `hostPageSize` in bytes is the granule that the device is asked for. Behaviour `none` never logs; `three-writable` leaves
 * read-only sections out. Without any section QEMU asks for an empty array and takes the null pointer for ENOMEM
 * ("Failed to prepare DMA logging").
 *
 * Models `vfio_dirty_tracking_update` and `vfio_device_feature_dma_logging_start_create` (hw/vfio/listener.c, QEMU 10.2
 * and 11.0; hw/vfio/common.c from 8.0).
 */
export function loggingRanges(
  sections: Iterable<ListenerSection>,
  hostPageSize: bigint,
  behaviour: Behaviours['loggingRanges'],
): LoggingRanges {
  if (behaviour === 'none') return { ranges: [] };
  const hulls = new Map<LoggingRange['class'], { min: bigint; max: bigint }>();
  for (const section of sections) {
    const range = behaviour === 'three-writable' && section.readOnly ? undefined : vfioRange(section, hostPageSize);
    if (!range) continue;
    const { iova, size } = range;
    const end = iova + size - 1n;
    const own = behaviour !== 'two' && section.vfioPci === true && iova >= UINT32_MAX;
    const key = own ? 'pci-above-4g' : end <= UINT32_MAX ? 'below-4g' : 'above-4g';
    const hull = hulls.get(key) ?? { min: iova, max: end };
    hulls.set(key, { min: smaller(hull.min, iova), max: larger(hull.max, end) });
  }
  if (hulls.size === 0) return { ranges: [], error: 'ENOMEM' };
  const ranges = classes.flatMap((key) => {
    const hull = hulls.get(key);
    return hull ? [{ class: key, iova: hull.min, size: wrap(hull.max - hull.min + 1n) }] : [];
  });
  return { ranges };
}
