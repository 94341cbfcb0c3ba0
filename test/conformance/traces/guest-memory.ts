import {
  clearLeaves,
  type GuestTable,
  keep,
  mapLeaves,
  type MappingRun,
  type MappingRuns,
} from 'migration-preflight/simulator';
import { number, type RecordedAux } from './trace.ts';

/** What a page walk read of the guest's page table. */
export interface Reading {
  readonly leaves: readonly MappingRun[];
  /** Entries that are absent, and so the tables that hold them. */
  readonly holes: readonly MappingRun[];
  readonly tables: readonly MappingRun[];
}

export const isWalk = ({ op }: RecordedAux): boolean => op.startsWith('vtd_page_walk_one');

/**
 * Reads the guest's page table out of the lines of a walk. Of lines alike only the first and the last are recorded: leaves
 * between them are those of `tree`, since the walk passed over them for being there.
 */
export function readWalk(lines: readonly RecordedAux[], tree: MappingRuns): Reading {
  const leaves: MappingRun[] = [];
  const holes: MappingRun[] = [];
  for (const { op, detail = '', count = 1, last = detail } of lines.filter(isWalk)) {
    const entries = count === 1 ? [detail] : [detail, last];
    const absent = op.endsWith('skip_unmap') || number(detail, 'perm') === 0n;
    for (const entry of entries) (absent ? holes : leaves).push(entryOf(entry));
    const [first, end] = entries.map(entryOf);
    if (!absent && count > 2 && first && end) leaves.push(...tree.overlapping(first.iova + first.size, end.iova - 1n));
  }
  const tables = holes.map(({ iova, size }) => ({ iova: iova & -(size * 512n), size: size * 512n, count: 1n }));
  return { leaves, holes, tables };
}

function entryOf(text: string): MappingRun {
  const gpa = number(text, 'gpa') ?? number(text, 'translated');
  const size = (number(text, 'mask') ?? 0n) + 1n;
  return { iova: number(text, 'iova') ?? 0n, size, count: 1n, ...(gpa !== undefined && { gpa }) };
}

/** Makes `table` what a walk of a part of it read. */
export function learn(table: GuestTable, { leaves, holes, tables }: Reading): void {
  for (const { iova, size } of holes) clearLeaves(table, iova, iova + size - 1n);
  for (const span of tables) keep(table, span);
  for (const run of leaves) mapLeaves(table, run);
}
