import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Lines } from '../../src/http/lines.ts';

/** The lines of a stream that comes in `chunks`. */
function read(chunks: readonly Buffer[], max = 1 << 20): { number: number; text: string | null }[] {
  const lines = new Lines(max);
  return [...chunks.flatMap((chunk) => [...lines.in(chunk)]), ...lines.rest()];
}

describe('a stream is cut into lines', () => {
  it.each([
    ['nothing', '', []],
    ['one that does not end', 'a', ['a']],
    ['one that ends', 'a\n', ['a']],
    ['one between others that are empty', '\na\n\n', ['', 'a', '']],
    ['ends of DOS', 'a\r\nb', ['a\r', 'b']],
  ])('%s', (_what, text, lines) => {
    expect(read([Buffer.from(text)]).map((line) => line.text)).toEqual(lines);
  });

  it('wherever it is cut into chunks, within a character too', () => {
    const text = fc.array(fc.oneof(fc.constant('\n'), fc.string({ unit: 'grapheme' }))).map((parts) => parts.join(''));
    fc.assert(
      fc.property(text, fc.array(fc.nat()), (whole, cuts) => {
        const bytes = Buffer.from(whole);
        const at = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length];
        const chunks = at.slice(1).map((end, index) => bytes.subarray(at[index], end));
        const expected = bytes.toString().split('\n');
        if (expected.at(-1) === '') expected.pop();
        expect(read(chunks)).toEqual(expected.map((line, index) => ({ number: index + 1, text: line })));
      }),
      { seed: 5, numRuns: 500 },
    );
  });

  it('forgets a line that is too long, and goes on behind it', () => {
    const chunks = ['ab\nabc', 'd', 'ef\n', 'abc\nabcd\n', 'x'].map((each) => Buffer.from(each));
    expect(read(chunks, 3).map(({ number, text }) => [number, text])).toEqual([
      [1, 'ab'],
      [2, null],
      [3, 'abc'],
      [4, null],
      [5, 'x'],
    ]);
  });
});
