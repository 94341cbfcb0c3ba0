import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bar, columns, count, iec, inColour, plain, printable, WIDTH, wrapped } from '../../src/report/terminal.ts';

describe('iec', () => {
  it.each<[bytes: number, shown: string]>([
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1 KiB'],
    [2 ** 28, '256 MiB'],
    [2 ** 43, '8 TiB'],
    [2 ** 43 + 4096, '≈8.00 TiB'],
    [1.5 * 2 ** 30, '≈1.50 GiB'],
    [2 ** 52, '4 PiB'],
    [Number.MAX_SAFE_INTEGER, '8 PiB or more'],
  ])('%d is %s', (bytes, shown) => {
    expect(iec(bytes)).toBe(shown);
  });
});

describe('bar', () => {
  it.each<[name: string, value: number, limit: number, shown: string]>([
    ['nothing', 0, 100, '░░░░░░░░░░░░░░░░░░░░ 0% of 100'],
    ['a little of much', 1, 65_535, '█░░░░░░░░░░░░░░░░░░░ 0% of 65,535'],
    ['half', 50, 100, '██████████░░░░░░░░░░ 50% of 100'],
    ['one short of the limit', 999, 1000, '███████████████████░ 99% of 1,000'],
    ['the limit, which is inclusive', 1000, 1000, '████████████████████ 100% of 1,000'],
    ['one over it', 1001, 1000, '████████████████████▶ over 1,000'],
    ['far over it', 16_000, 1000, '████████████████████▶ over 1,000 (×16)'],
    ['nothing of nothing', 0, 0, '░░░░░░░░░░░░░░░░░░░░ 0% of 0'],
    ['something of nothing', 1, 0, '████████████████████▶ over 0'],
  ])('%s', (_name, value, limit, shown) => {
    expect(bar(value, limit, count, plain)).toBe(shown);
  });

  it('is red over the limit', () => {
    expect(bar(3, 2, count, inColour)).toBe('\u001B[31m████████████████████▶ over 2 (×1.5)\u001B[0m');
    expect(bar(2, 2, count, inColour)).not.toContain('\u001B');
  });
});

describe('wrapped', () => {
  it('breaks at blanks, after an indent', () => {
    const words = Array.from({ length: 12 }, (_, index) => `word-${index}-of-12`).join(' ');
    expect(wrapped(2, words)).toEqual([
      '  word-0-of-12 word-1-of-12 word-2-of-12 word-3-of-12 word-4-of-12 word-5-of-12',
      '    word-6-of-12 word-7-of-12 word-8-of-12 word-9-of-12 word-10-of-12',
      '    word-11-of-12',
    ]);
  });

  it('fills the last column', () => {
    expect(wrapped(0, `${'x'.repeat(WIDTH - 2)} y`)).toHaveLength(1);
    expect(wrapped(0, `${'x'.repeat(WIDTH - 1)} y`)).toHaveLength(2);
  });

  it('counts code points', () => {
    expect(wrapped(0, `${'█'.repeat(40)} ${'𝕏'.repeat(39)}`)).toHaveLength(1);
  });

  it('keeps the text: a line that breaks is a blank', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('a', 'é', '𝕏', ' '), maxLength: 400 }),
        fc.nat(20),
        (text, hang) => {
          const lines = wrapped(0, text, hang);
          const [first = '', ...rest] = lines;
          expect([first, ...rest.map((line) => line.slice(hang))].join(' ')).toBe(text);
          for (const line of lines) expect(columns(line) <= WIDTH || !line.trim().includes(' ')).toBe(true);
        },
      ),
    );
  });
});

describe('printable', () => {
  it.each<[name: string, text: string, shown: string]>([
    ['plain words', '0000:3b:00.1: é 日本 𝕏 …', '0000:3b:00.1: é 日本 𝕏 …'],
    ['an escape sequence', '\u001B[31mred', String.raw`\u{1b}[31mred`],
    ['a line feed', 'a\nb', String.raw`a\u{a}b`],
    ['a C1 control', '\u009B2J', String.raw`\u{9b}2J`],
    ['a direction override', 'a\u202Eb', String.raw`a\u{202e}b`],
    ['a line separator', 'a\u2028b', String.raw`a\u{2028}b`],
  ])('%s', (_name, text, shown) => {
    expect(printable(text)).toBe(shown);
  });
});
