import {
  emptyPageTable,
  intelNotifiers,
  IovaTree,
  type PageTable,
  type Perm,
  syncRange,
  writeEntry,
} from 'migration-preflight/simulator';
import { firstDifference } from '../first-difference.ts';
import type { Format } from '../format.ts';

interface Case {
  aw: PageTable['addressWidth'];
  /** Leaves: iova, size, gpa, access. */
  maps: [string, string, string, Perm][];
  /** Leaves that become all zeroes, or point elsewhere: what, iova, size, new gpa. */
  changes: ['clear' | 'retarget', string, string, string?][];
  /** The second sync's range, the end not included; the first's is everything. */
  sync2: [string, string];
  /** What VFIO hears: type, iova, size, translated address, access. */
  events1: [string, string, string, string, Perm][];
  events2: [string, string, string, string, Perm][];
  /** The IOVA tree: iova, length less one, translated address, access. */
  tree1: [string, string, string, Perm][];
  tree2: [string, string, string, Perm][];
}

/** intel-iommu's page walk: a full sync of an empty tree, then some leaves change and a range or all is synced again. */
export const vtdPageWalk: Format = {
  file: 'vtd-page-walk',
  *replay(content) {
    for (const testCase of (content as { cases: Case[] }).cases) yield replayCase(testCase);
  },
};

function replayCase({ aw, maps, changes, sync2, ...expected }: Case): true | string {
  const table = emptyPageTable(aw);
  const tree = new IovaTree();
  const differences: (true | string)[] = [];
  const sync = (start: bigint, end: bigint, events: Case['events1'], entries: Case['tree1']): void => {
    const heard = [...syncRange(table, tree, intelNotifiers, start, end)].map((event) =>
      [event.type, hex(event.iova), hex(event.size), hex(event.translatedAddress), event.perm].join(' '),
    );
    const held = [...tree].map((map) =>
      [hex(map.iova), hex(map.addrMask), hex(map.translatedAddress), map.perm].join(' '),
    );
    differences.push(
      firstDifference('event', heard, events.map(words)),
      firstDifference('entry', held, entries.map(words)),
    );
  };

  for (const [iova, size, gpa, perm] of maps) writeEntry(table, BigInt(iova), BigInt(size), { gpa: BigInt(gpa), perm });
  sync(0n, 1n << BigInt(aw), expected.events1, expected.tree1);
  const perms = new Map(maps.map(([iova, , , perm]) => [iova, perm]));
  for (const [, iova, size, gpa] of changes) {
    const perm = perms.get(iova) ?? 0;
    writeEntry(table, BigInt(iova), BigInt(size), gpa === undefined ? undefined : { gpa: BigInt(gpa), perm });
  }
  sync(BigInt(sync2[0]), BigInt(sync2[1]), expected.events2, expected.tree2);
  return differences.find((difference) => difference !== true) ?? true;
}

const hex = (value: bigint): string => `0x${value.toString(16)}`;
const words = (row: readonly (string | number)[]): string => row.join(' ');
