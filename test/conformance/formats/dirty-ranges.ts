import {
  ADDRESS_MAX,
  type Behaviours,
  errors,
  type ListenerSection,
  loggingRanges,
  wrap,
} from 'migration-preflight/simulator';
import type { Format } from '../format.ts';

type Flag = 0 | 1;

interface SectionRow {
  gpa: string;
  size: string;
  region_off: string;
  ram: Flag;
  iommu: Flag;
  protected: Flag;
  readonly: Flag;
  vfio_pci: Flag;
}

interface Case {
  kind: string;
  host_page_size: string;
  sections: SectionRow[];
  q10_2: Record<string, unknown>;
  q11_0: Record<string, unknown>;
}

const hex = (value: bigint): string => `0x${value.toString(16)}`;

/** Sections of an address space, and the ranges that QEMU 10.2 and 11.0 tell a device to log. */
export const dirtyRanges: Format = {
  file: 'dirty-ranges',
  *replay(content) {
    for (const testCase of (content as { cases: Case[] }).cases) yield replayCase(testCase);
  },
};

function replayCase({ kind, host_page_size, sections, q10_2, q11_0 }: Case): true | string {
  for (const [column, behaviour] of [
    [q10_2, 'three'],
    [q11_0, 'three-writable'],
  ] as const) {
    const answered = answer(sections.map(toSection), BigInt(host_page_size), behaviour);
    for (const field of new Set([...Object.keys(answered), ...Object.keys(column)])) {
      const [actual, expected] = [JSON.stringify(answered[field]), JSON.stringify(column[field])];
      if (actual !== expected) return `${kind}, ${behaviour}, ${field}: ${actual}, not ${expected}`;
    }
  }
  return true;
}

/** In the file's terms: an unused class has the largest address as its minimum and 0 as its maximum. */
function answer(
  sections: ListenerSection[],
  hostPageSize: bigint,
  behaviour: Behaviours['loggingRanges'],
): Record<string, unknown> {
  const { ranges, error } = loggingRanges(sections, hostPageSize, behaviour);
  const bounds = (of: string, unused: bigint): [string, string] => {
    const range = ranges.find((candidate) => candidate.class === of);
    return range ? [hex(range.iova), hex(wrap(range.iova + range.size - 1n))] : [hex(unused), hex(0n)];
  };
  const [min32, max32] = bounds('below-4g', 0xffff_ffffn);
  const [min64, max64] = bounds('above-4g', ADDRESS_MAX);
  const [minpci64, maxpci64] = bounds('pci-above-4g', ADDRESS_MAX);
  return {
    min32,
    max32,
    min64,
    max64,
    minpci64,
    maxpci64,
    num_ranges: ranges.length,
    page_size: hex(hostPageSize),
    ranges: error ? null : ranges.map(({ iova, size }) => [hex(iova), hex(size)]),
    ...(error && { errno: errors[error].number }),
  };
}

const toSection = (row: SectionRow): ListenerSection => ({
  gpa: BigInt(row.gpa),
  size: BigInt(row.size),
  regionOffset: BigInt(row.region_off),
  kind: row.iommu ? 'iommu' : row.ram ? 'ram' : 'other',
  readOnly: row.readonly === 1,
  protected: row.protected === 1,
  vfioPci: row.vfio_pci === 1,
});
