import { type MappingRun, MappingRuns, type UnmapNotice, unmapTracked } from 'migration-preflight/simulator';
import { firstDifference } from '../first-difference.ts';
import type { Format } from '../format.ts';

type Entry = [iova: string, addressMask: string, translatedAddress: string, perm: number];
type Op = [iova: string, size: string, translatedAddress?: string];

interface Case {
  start: string;
  end: string;
  entries: Entry[];
  merged: { ops: Op[]; remaining: Entry[] };
  v1: { n_ops: number; remaining: number };
  intended: { ops_sorted_iova: Op[]; remaining_n: number };
}

const hex = (value: bigint): string => `0x${value.toString(16)}`;

/**
 * The tracked loop as merged, as first mailed and as intended: what it announces and what stays in the tree. QEMU meets
 * entries in the order of its tree's shape, so announcements are compared as sets here; iova-tree-ops holds the order.
 */
export const vtdUnmapTracked: Format = {
  file: 'vtd-unmap-tracked',
  *replay(content) {
    for (const testCase of (content as { cases: Case[] }).cases) yield replayCase(testCase);
  },
};

function replayCase({ start, end, entries, merged, v1, intended }: Case): true | string {
  const notifier = { start: BigInt(start), end: BigInt(end) };
  const run = (domainUnmap: 'tracked-end-as-size' | 'tracked' | 'tracked-while-migrating') => {
    const tree = new MappingRuns();
    for (const entry of entries) tree.add(mappingOf(entry));
    const ops = [...unmapTracked(notifier, tree, domainUnmap)].flatMap(single);
    return { ops, remaining: [...tree].flatMap(singleMapping) };
  };

  const asMerged = run('tracked-end-as-size');
  const announced = firstDifference(
    'unmap',
    asMerged.ops.map(withAddress).toSorted(),
    merged.ops.map((op) => op.join(' ')).toSorted(),
  );
  if (announced !== true) return `merged: ${announced}`;
  const remaining = firstDifference(
    'entry',
    asMerged.remaining,
    merged.remaining.map(([iova]) => iova),
  );
  if (remaining !== true) return `merged: ${remaining} remains`;

  const asMailed = run('tracked-while-migrating');
  if (asMailed.ops.length !== v1.n_ops || asMailed.remaining.length !== v1.remaining) return 'v1: counts differ';
  if (asMailed.ops.some(({ translatedAddress }) => translatedAddress !== 0n)) return 'v1: an address is not 0';

  const asIntended = run('tracked');
  const mended = firstDifference(
    'unmap',
    asIntended.ops.map(withoutAddress),
    intended.ops_sorted_iova.map((op) => op.join(' ')),
  );
  if (mended !== true) return `intended: ${mended}`;
  return asIntended.remaining.length === intended.remaining_n || 'intended: another number remains';
}

const mappingOf = ([iova, mask, gpa]: Entry): MappingRun => ({
  iova: BigInt(iova),
  size: BigInt(mask) + 1n,
  count: 1n,
  gpa: BigInt(gpa),
});

/** The unmaps that a notice of several stands for. */
function single({ iova, size, count, translatedAddress }: UnmapNotice): UnmapNotice[] {
  const isFixed = translatedAddress === undefined || translatedAddress === 0n;
  return Array.from({ length: Number(count) }, (_, i) => ({
    iova: iova + BigInt(i) * size,
    size,
    count: 1n,
    ...(translatedAddress !== undefined && { translatedAddress: isFixed ? 0n : translatedAddress + BigInt(i) * size }),
  }));
}

const singleMapping = ({ iova, size, count }: MappingRun): string[] =>
  Array.from({ length: Number(count) }, (_, i) => hex(iova + BigInt(i) * size));

const withoutAddress = ({ iova, size }: UnmapNotice): string => `${hex(iova)} ${hex(size)}`;
const withAddress = (notice: UnmapNotice): string => `${withoutAddress(notice)} ${hex(notice.translatedAddress ?? 0n)}`;
