import { renameSync, rmSync, symlinkSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Reloading } from '../../src/http/reloading.ts';
import { Files } from '../e2e/certificates.ts';

let files = new Files();
let said: string[] = [];
beforeEach(() => {
  files = new Files();
  said = [];
});
afterEach(() => {
  vi.useRealTimers();
  files.remove();
});

const observer = {
  loaded: (name: string): unknown => said.push(`${name} loaded`),
  failed: (_name: string, error: Error): unknown => said.push(error.message),
};

/** Two files with a number each, whose sum must not be odd. */
function open(...paths: readonly string[]): Promise<Reloading<number>> {
  const parse = (texts: readonly string[]): number => {
    const sum = texts.reduce((total, text) => total + Number(text), 0);
    if (sum % 2 !== 0) throw new Error(`${sum} is odd`);
    return sum;
  };
  return Reloading.open({ name: 'sum', paths, parse }, observer);
}

describe('files that are opened', () => {
  it('are one value', async () => {
    expect((await open(files.write('a', '1'), files.write('b', '3'))).current).toBe(4);
    expect(said).toEqual(['sum loaded']);
  });

  it.each([
    ['that are wrong', '2', /^sum: 3 is odd$/],
    ['of which one is missing', null, /^sum: ENOENT: .*\/b'$/],
  ])('%s are an error', async (_what, b, words) => {
    const paths = [files.write('a', '1'), b === null ? files.path('b') : files.write('b', b)];
    await expect(open(...paths)).rejects.toThrow(words);
    expect(said).toEqual([]);
  });
});

describe('files that are read again', () => {
  it('are taken all at once, or not at all', async () => {
    const sum = await open(files.write('a', '1'), files.write('b', '3'));
    const applied: number[] = [];
    sum.onLoad((value) => applied.push(value));
    files.write('a', '2');
    await sum.reload();
    expect(sum.current).toBe(4);
    rmSync(files.path('a'));
    await sum.reload();
    expect(sum.current).toBe(4);
    files.write('a', '5');
    await sum.reload();
    expect(sum.current).toBe(8);
    expect(applied).toEqual([8]);
    expect(said).toEqual(['sum loaded', 'sum: 5 is odd', expect.stringContaining('ENOENT'), 'sum loaded']);
  });

  it('change nothing if what is done with them fails', async () => {
    const sum = await open(files.write('a', '2'));
    sum.onLoad(() => {
      throw new Error('not now');
    });
    files.write('a', '4');
    await sum.reload();
    expect([sum.current, said]).toEqual([2, ['sum loaded', 'not now']]);
  });
});

describe('files that are watched', () => {
  /** Has `sum` look at its files so many times. */
  async function look(sum: Reloading<number>, times: number): Promise<void> {
    for (let time = 0; time < times; time++) vi.advanceTimersByTime(1000);
    await sum.settled;
  }

  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  });

  it('are taken once they are seen unchanged, and are judged once', async () => {
    const sum = await open(files.write('a', '2'));
    const stop = sum.watch();
    await look(sum, 5);
    expect(said).toEqual(['sum loaded']);
    files.write('a', '4');
    await look(sum, 1);
    expect(sum.current).toBe(2);
    files.write('a', '6');
    await look(sum, 1);
    expect(sum.current).toBe(2);
    await look(sum, 5);
    expect([sum.current, said]).toEqual([6, ['sum loaded', 'sum loaded']]);
    files.write('a', '7');
    await look(sum, 5);
    expect([sum.current, said.slice(2)]).toEqual([6, ['sum: 7 is odd']]);
    stop();
    files.write('a', '8');
    await look(sum, 5);
    expect(sum.current).toBe(6);
  });

  it('may be replaced behind a symbolic link', async () => {
    files.write('v1', '2');
    symlinkSync(files.path('v1'), files.path('link'));
    const sum = await open(files.path('link'));
    const stop = sum.watch();
    symlinkSync(files.write('v2', '4'), files.path('next'));
    renameSync(files.path('next'), files.path('link'));
    await look(sum, 2);
    expect(sum.current).toBe(4);
    stop();
  });
});
