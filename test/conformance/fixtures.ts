import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { Format } from './format.ts';
import { replayable } from './replay.ts';

const fixtures = (folder: string): string => fileURLToPath(new URL(`../fixtures/${folder}`, import.meta.url));

/** Cases that pass, and those that cannot be replayed, by file: a file that lost some would pass unnoticed. */
type Cases = Readonly<Record<string, { readonly passed: number; readonly skipped?: number }>>;

const nameOf = (file: string): string => file.replaceAll(/^.*\/|\.json\.gz$/g, '');

/** Replays the fixtures in `folders`, which must be those of `cases`, and of all the formats that are `known`. */
export function testFixtures(title: string, folders: readonly string[], known: readonly Format[], cases: Cases): void {
  describe(title, () => {
    const files = folders.flatMap((folder) => [...replayable(fixtures(folder))]);

    it('has a fixture for every format', () => {
      const found = new Set(files.map(({ format }) => format));
      expect([...found].toSorted()).toEqual(known.map(({ file }) => file).toSorted());
      expect(files.map(({ file }) => nameOf(file)).toSorted()).toEqual(Object.keys(cases).toSorted());
    });

    it.each(files)('$file', ({ file, replay }) => {
      const { passed, failures, skipped } = replay();
      expect(failures).toEqual([]);
      const skips = [...skipped.values()].reduce((sum, count) => sum + count, 0);
      expect({ passed, skipped: skips }).toEqual({ skipped: 0, ...cases[nameOf(file)] });
    });
  });
}
