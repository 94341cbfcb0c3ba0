/** Columns that text is made for. */
export const WIDTH = 80;

/** Marks what stands out, where the caller wants colour. */
export type Ink = (text: string, colour: keyof typeof COLOURS) => string;

/** Select Graphic Rendition (ECMA-48). */
const COLOURS = { bold: 1, red: 31, green: 32, yellow: 33, magenta: 35, cyan: 36 };

export const inColour: Ink = (text, colour) => `\u001B[${COLOURS[colour]}m${text}\u001B[0m`;
export const plain: Ink = (text) => text;

/**
 * `text` after `indent` blanks, in lines of at most {@link WIDTH} columns, each a code point; all but the first after
 * `hang` blanks. A line breaks only where a blank was, so that a word that is longer stays whole.
 */
export function wrapped(indent: number, text: string, hang = indent + 2): string[] {
  const lines: string[] = [];
  let [line = '', ...rest] = printable(text).split(' ');
  let width = indent + columns(line);
  line = ' '.repeat(indent) + line;
  for (const word of rest) {
    width += 1 + columns(word);
    if (width > WIDTH) {
      lines.push(line);
      line = ' '.repeat(hang) + word;
      width = hang + columns(word);
    } else line += ` ${word}`;
  }
  return [...lines, line];
}

export const columns = (text: string): number => Array.from(text).length;

/** `text` with what a terminal would act on, or hide, spelt out: names come from whoever asks. */
export const printable = (text: string): string =>
  text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (sign) => `\\u{${sign.codePointAt(0)?.toString(16)}}`);

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

/** `bytes` in the largest IEC unit of which there is one: "8 TiB", "≈4.01 GiB". An answer holds no more than 2^53 − 1. */
export function iec(bytes: number): string {
  if (bytes === Number.MAX_SAFE_INTEGER) return '8 PiB or more';
  const unit = Math.max(
    0,
    UNITS.findLastIndex((_, index) => bytes >= 1024 ** index),
  );
  const amount = bytes / 1024 ** unit;
  return Number.isInteger(amount) ? `${amount} ${UNITS[unit]}` : `≈${amount.toFixed(2)} ${UNITS[unit]}`;
}

/** A whole number with its digits in threes. */
export const count = (value: number): string => value.toLocaleString('en');

/** Columns of a bar that is full. */
const BAR = 20;

/** How much of `limit` there is in `value`, both printed with `show`; in red where it is more. */
export function bar(value: number, limit: number, show: (value: number) => string, ink: Ink): string {
  if (value > limit) {
    const times = limit > 0 && value >= 1.1 * limit ? ` (×${(value / limit).toPrecision(2)})` : '';
    return ink(`${'█'.repeat(BAR)}▶ over ${show(limit)}${times}`, 'red');
  }
  const share = limit === 0 ? 0 : value / limit;
  const full = value > 0 ? Math.max(1, Math.floor(share * BAR)) : 0;
  return `${'█'.repeat(full)}${'░'.repeat(BAR - full)} ${Math.floor(share * 100)}% of ${show(limit)}`;
}

/** Lines as a text. */
export const text = (lines: readonly string[]): string => `${lines.join('\n')}\n`;
