import type { Dice } from './dice.ts';

/** Bytes that mean something to one reader or another: ends, quotes, and what is no UTF-8. */
const TELLING = [
  '\0',
  '\n',
  '\r',
  '\t',
  ' ',
  '"',
  "'",
  '<',
  '>',
  '&',
  '{',
  '}',
  '[',
  ']',
  ':',
  ',',
  '\\',
  '-',
  '#',
  '\u007f',
];
const NO_UTF8 = [[0xff], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe2, 0x82], [0xfe, 0xff]];

/** `bytes` with one thing changed that no grammar knows of. */
export function mutateBytes(bytes: Buffer, dice: Dice): Buffer {
  const at = dice.below(bytes.length);
  const length = dice.few(1 << 10);
  const [before, part, after] = [bytes.subarray(0, at), bytes.subarray(at, at + length), bytes.subarray(at + length)];
  switch (dice.below(6)) {
    case 0: {
      const flipped = Buffer.from(bytes);
      flipped[at] = (flipped[at] ?? 0) ^ (1 << dice.below(8));
      return flipped;
    }
    case 1:
      return Buffer.concat([before, after]);
    case 2:
      return Buffer.concat([before, ...Array.from({ length: 2 ** dice.below(8) }, () => part), after]);
    case 3:
      return Buffer.concat([before, Buffer.from(dice.of(TELLING)), bytes.subarray(at)]);
    case 4:
      return Buffer.concat([before, Buffer.from(dice.of(NO_UTF8)), bytes.subarray(at)]);
    default:
      return before;
  }
}
