import { execFileSync } from 'node:child_process';
import {
  closeSync,
  constants,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LogFile } from '../../src/decision-log/log-file.ts';

let directory: string;
let path: string;
const opened: LogFile[] = [];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'decisions-'));
  path = join(directory, 'log');
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map((each) => each.close()));
  rmSync(directory, { recursive: true });
});

/** What an observer is told. */
const newCounts = () => ({ lines: 0, bytes: 0, dropped: 0, said: [] as string[] });

async function open(maxBytes = 1 << 20, files = 3, at = path) {
  const counts = newCounts();
  const file = await LogFile.open(
    { path: at, maxBytes, files },
    {
      written: (lines, bytes) => {
        counts.lines += lines;
        counts.bytes += bytes;
      },
      dropped: (lines) => {
        counts.dropped += lines;
      },
      overflows: (reason) => counts.said.push(`overflows: ${reason}`),
      recovered: (dropped) => counts.said.push(`recovered after ${dropped}`),
    },
  );
  opened.push(file);
  return { file, counts, written: (lines: number) => expect.poll(() => counts.lines, { timeout: 5000 }).toBe(lines) };
}

const line = (number: number, length = 100): string => `${String(number).padEnd(length - 1, '.')}\n`;
const numbersIn = (at: string): number[] =>
  readFileSync(at, 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((each) => Number.parseInt(each, 10));
const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

describe('a file', () => {
  it('gets the lines in their order, behind those that it has', async () => {
    writeFileSync(path, 'before\n');
    const { file, counts, written } = await open();
    for (const number of upTo(5000)) file.write(line(number));
    await written(5000);
    expect(readFileSync(path, 'utf8')).toBe(
      `before\n${upTo(5000)
        .map((each) => line(each))
        .join('')}`,
    );
    expect(counts).toEqual({ lines: 5000, bytes: 500_000, dropped: 0, said: [] });
  });

  it('is only for its owner to write, and its group to read', async () => {
    await open();
    expect(statSync(path).mode & 0o777 & ~0o640).toBe(0);
  });

  it('that a killed process left with half a line gets no line behind that', async () => {
    writeFileSync(path, 'whole\nhal');
    const { file, written } = await open();
    file.write('next\n');
    await written(1);
    expect(readFileSync(path, 'utf8')).toBe('whole\nhal\nnext\n');
  });

  it('takes characters of several bytes for what they are', async () => {
    const { file, counts, written } = await open(12, 2);
    file.write('äöü€\n');
    file.write('äöü€\n');
    await written(2);
    expect(counts.bytes).toBe(20);
    expect([path, `${path}.1`].map((each) => statSync(each).size)).toEqual([10, 10]);
  });

  it('that cannot be opened is no log', async () => {
    await expect(open(1000, 1, join(directory, 'nowhere', 'log'))).rejects.toThrow('ENOENT');
    await expect(open(1000, 1, directory)).rejects.toThrow('EISDIR');
  });
});

describe('disk', () => {
  it.each([
    [1, 1000],
    [2, 1000],
    [5, 1050],
  ])('%i files of %i bytes at most are never more, and hold the newest lines, each whole', async (files, maxBytes) => {
    const { file, written } = await open(maxBytes, files);
    for (const number of upTo(200)) file.write(line(number));
    await written(200);
    const names = [
      'log',
      ...upTo(files)
        .slice(1)
        .map((age) => `log.${age}`),
    ];
    expect(readdirSync(directory).toSorted()).toEqual(names);
    for (const name of names) expect(statSync(join(directory, name)).size).toBe(1000);
    const kept = names.toReversed().flatMap((name) => numbersIn(join(directory, name)));
    expect(kept).toEqual(upTo(200).slice(-10 * files));
  });

  it('a file that is too large already is not added to', async () => {
    writeFileSync(path, line(1, 2000));
    const { file, written } = await open(1000, 2);
    file.write(line(2));
    await written(1);
    expect([path, `${path}.1`].map(numbersIn)).toEqual([[2], [1]]);
  });

  it('a line that is larger than the file may be is dropped, and the others are not', async () => {
    const { file, counts, written } = await open(1000, 2);
    for (const length of [900, 1001, 1000]) file.write(line(length, length));
    await written(2);
    expect([path, `${path}.1`].map(numbersIn)).toEqual([[1000], [900]]);
    expect(counts).toMatchObject({
      dropped: 1,
      said: ['overflows: a line is larger than the file may be', 'recovered after 1'],
    });
  });

  it('no file is lost while there is a name that is free', async () => {
    writeFileSync(`${path}.2`, 'old\n');
    const { file, counts, written } = await open(1000, 4);
    for (const number of upTo(11)) file.write(line(number));
    await written(11);
    expect(readdirSync(directory).toSorted()).toEqual(['log', 'log.1', 'log.2']);
    expect(readFileSync(`${path}.2`, 'utf8')).toBe('old\n');
    expect(counts.dropped).toBe(0);
  });
});

describe('a file that is moved away', () => {
  it('is made anew once it is asked to be opened again, and no line is lost', async () => {
    const { file, written } = await open();
    file.write(line(1));
    await written(1);
    renameSync(path, `${path}-moved`);
    file.write(line(2));
    await written(2);
    file.reopen();
    await expect.poll(() => readdirSync(directory)).toContain('log');
    file.write(line(3));
    await written(3);
    expect([`${path}-moved`, path].map(numbersIn)).toEqual([[1, 2], [3]]);
  });

  it('and one that is still there is added to', async () => {
    const { file, written } = await open();
    file.write(line(1));
    file.reopen();
    file.write(line(2));
    await written(2);
    expect(numbersIn(path)).toEqual([1, 2]);
  });
});

describe('whoever writes a line never waits', () => {
  /** The longest that the thread was held, in milliseconds, while `act` went on. */
  async function held(act: () => Promise<void>): Promise<number> {
    let longest = 0;
    let last = performance.now();
    const timer = setInterval(() => {
      longest = Math.max(longest, performance.now() - last);
      last = performance.now();
    }, 1);
    await act();
    clearInterval(timer);
    return longest;
  }

  const mebibyte = 1 << 20;

  it('for a pipe that nobody reads: what has no room is dropped and counted; who reads it then gets the rest, whole', async () => {
    execFileSync('mkfifo', [path]);
    const { file, counts, written } = await open();
    const longest = await held(async () => {
      for (const number of upTo(2000)) {
        file.write(line(number, 10_000));
        if (number % 100 === 0) await sleep(5);
      }
    });
    expect(longest).toBeLessThan(1000);
    expect(counts.lines).toBe(0);
    expect(counts.dropped).toBe(2000 - Math.floor((8 * mebibyte) / 10_000));
    expect(counts.said).toEqual([expect.stringContaining('overflows: ENXIO')]);
    const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    let read = '';
    const chunk = Buffer.alloc(mebibyte);
    const reading = setInterval(() => {
      try {
        for (let n = -1; n !== 0; read += chunk.toString('utf8', 0, n)) n = readSync(fd, chunk);
      } catch {
        // Nothing there yet.
      }
    }, 1);
    await written(2000 - counts.dropped);
    await sleep(20);
    clearInterval(reading);
    closeSync(fd);
    expect(read).toBe(
      upTo(2000 - counts.dropped)
        .map((each) => line(each, 10_000))
        .join(''),
    );
    expect(counts.said.at(-1)).toBe(`recovered after ${counts.dropped}`);
  });

  it('for a disk that is full: it is tried again, and said why', async () => {
    const { file, counts } = await open(mebibyte, 2, '/dev/full');
    file.write(line(1));
    await sleep(100);
    for (const number of upTo(10)) file.write(line(number, mebibyte));
    expect(counts).toEqual({
      lines: 0,
      bytes: 0,
      dropped: 3,
      said: ['overflows: ENOSPC: no space left on device, write'],
    });
  });

  it('for a reader that goes away in the middle of a line: the next one gets that line from its beginning', async () => {
    execFileSync('mkfifo', [path]);
    const { file, written } = await open();
    const length = 200_000;
    const begin = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    file.write(line(7, length));
    const some = Buffer.alloc(1000);
    await expect
      .poll(() => {
        try {
          return readSync(begin, some);
        } catch {
          return 0;
        }
      })
      .toBe(1000);
    closeSync(begin);
    // As long as the writer takes to see it.
    await sleep(100);
    const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    let read = '';
    const chunk = Buffer.alloc(mebibyte);
    const reading = setInterval(() => {
      try {
        read += chunk.toString('utf8', 0, readSync(fd, chunk));
      } catch {
        // Nothing there yet.
      }
    }, 1);
    await written(1);
    await sleep(20);
    clearInterval(reading);
    closeSync(fd);
    expect(read === line(7, length)).toBe(true);
  });

  it('as the log is closed: what waits is given a second, and counted if it was in vain', async () => {
    execFileSync('mkfifo', [path]);
    const { file, counts } = await open();
    file.write(line(1));
    const begun = performance.now();
    await file.close();
    expect(performance.now() - begun).toBeLessThan(3000);
    expect(counts.dropped).toBe(1);
    unlinkSync(path);
  });
});
