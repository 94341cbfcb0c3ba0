import { type DmaMap, IovaTree, type Perm } from 'migration-preflight/simulator';
import type { Format } from '../format.ts';

/** iova, length less one, translated address, access. */
type EntryRow = [string, string, string, Perm];

interface Case {
  ops: ['insert' | 'find' | 'find_iova' | 'remove', ...EntryRow, number | EntryRow | null][];
  count: number;
  height: number;
  final: EntryRow[];
}

const hex = (value: bigint): string => `0x${value.toString(16)}`;

const toEntry = ([iova, addrMask, translatedAddress, perm]: EntryRow): DmaMap => ({
  iova: BigInt(iova),
  addrMask: BigInt(addrMask),
  translatedAddress: BigInt(translatedAddress),
  perm,
});

const toRow = ({ iova, addrMask, translatedAddress, perm }: DmaMap): EntryRow => [
  hex(iova),
  hex(addrMask),
  hex(translatedAddress),
  perm,
];

/** Operations on QEMU's IOVA tree, with each one's result, and the tree's shape and content at the end. */
export const iovaTreeOps: Format = {
  file: 'iova-tree-ops',
  *replay(content) {
    for (const testCase of (content as { cases: Case[] }).cases) yield replayCase(testCase);
  },
};

function replayCase({ ops, count, height, final }: Case): true | string {
  const tree = new IovaTree();
  for (const [index, [op, iova, addrMask, translatedAddress, perm, expected]] of ops.entries()) {
    const map = toEntry([iova, addrMask, translatedAddress, perm]);
    const result = JSON.stringify(apply(tree, op, map));
    if (result !== JSON.stringify(expected)) return `op ${index} ${op}: ${result}, not ${JSON.stringify(expected)}`;
  }
  if (tree.count !== count) return `${tree.count} entries, not ${count}`;
  if (tree.height !== height) return `height ${tree.height}, not ${height}`;
  const entries = [...tree].map(toRow);
  if (JSON.stringify(entries) !== JSON.stringify(final)) return `entries at the end: ${JSON.stringify(entries)}`;
  return true;
}

function apply(tree: IovaTree, op: Case['ops'][number][0], map: DmaMap): number | EntryRow | null {
  if (op === 'insert') return tree.insert(map);
  if (op === 'remove') return tree.remove(map);
  const entry = op === 'find' ? tree.find(map) : tree.findIova(map);
  return entry ? toRow(entry) : null;
}
