import type { Argument } from './qemu-command.ts';
import { quoted, type Remarks } from './qemu-remarks.ts';

/** A value as text, where it is written as key=value, or as JSON has it. */
export type OptionValue = string | number | boolean;

/** What one option says, or several that QEMU takes together: the last value of a key counts. */
export interface Options {
  /** The option's argument, for faults. */
  readonly at: Argument;
  readonly values: ReadonlyMap<string, OptionValue>;
}

/** JSON in an option is not nested deeper by anything that is read. */
const JSON_DEPTH_MAX = 8;

/**
 * Reads `at` as QEMU's key=value syntax, in which `,,` stands for a comma, a key alone is a switch that is on (or off,
 * if it begins with "no"), and a first value without a key is that of `implied`; or as a JSON object, whose members'
 * members get keys such as "file.driver".
 */
export function parseOptions(at: Argument, implied: string | undefined, remarks: Remarks): Options {
  const values = at.text.startsWith('{') ? jsonOptions(at, remarks) : keyValueOptions(at.text, implied);
  return { at, values };
}

function keyValueOptions(text: string, implied: string | undefined): Map<string, OptionValue> {
  const values = new Map<string, OptionValue>();
  let first = true;
  for (const part of commaParts(text)) {
    const [, key, value] = /^([^=,]*)=(.*)$/s.exec(part) ?? [];
    if (key !== undefined && value !== undefined) values.set(key, unescaped(value));
    else if (first && implied !== undefined) values.set(implied, unescaped(part));
    else if (part !== '') values.set(...switchNamed(part));
    first = false;
  }
  return values;
}

const switchNamed = (name: string): [string, OptionValue] =>
  name.startsWith('no') ? [name.slice(2), 'off'] : [name, 'on'];

/** Split at each comma that is not doubled. */
const commaParts = (text: string): readonly string[] => text.match(/(?:,,|[^,])+/g) ?? [];

const unescaped = (value: string): string => value.replaceAll(',,', ',');

function jsonOptions(at: Argument, remarks: Remarks): Map<string, OptionValue> {
  const values = new Map<string, OptionValue>();
  const flatten = (prefix: string, value: unknown, depth: number): void => {
    if (typeof value === 'object' && value !== null) {
      if (depth > JSON_DEPTH_MAX) remarks.fault(at, `JSON nested more than ${JSON_DEPTH_MAX} deep`);
      else
        for (const [key, each] of Object.entries(value))
          flatten(prefix === '' ? key : `${prefix}.${key}`, each, depth + 1);
    } else if (typeof value === 'number' && Number.isInteger(value) && !Number.isSafeInteger(value)) {
      // libvirt writes the world wide names of disks so, and nothing asks for them.
      if (!prefix.endsWith('wwn')) {
        remarks.fault(at, `${prefix} is a number that JSON cannot hold exactly: write it as a string`);
      }
    } else if (value !== null) {
      values.set(prefix, value as OptionValue);
    }
  };
  try {
    flatten('', JSON.parse(at.text), 0);
  } catch (error) {
    remarks.fault(at, `not JSON: ${(error as Error).message.slice(0, 200)}`);
  }
  return values;
}

/** Several options that QEMU merges into one, the later over the earlier. */
export const merged = (options: readonly Options[]): Options | undefined => {
  const last = options.at(-1);
  return last && { at: last.at, values: new Map(options.flatMap(({ values }) => [...values])) };
};

/** The text of `key`, as QEMU would print its value. */
export function textOf(options: Options | undefined, key: string): string | undefined {
  const value = options?.values.get(key);
  return value === undefined ? undefined : typeof value === 'boolean' ? (value ? 'on' : 'off') : String(value);
}

/** The longest name a descriptor may hold. */
const NAME_MAX = 256;

/** The text of `key`, of 1 to 256 characters. */
export function nameOf(options: Options | undefined, key: string, remarks: Remarks): string | undefined {
  const text = textOf(options, key);
  if (options === undefined || text === undefined || (text.length > 0 && text.length <= NAME_MAX)) return text;
  return remarks.fault(options.at, `${key} must have 1 to ${NAME_MAX} characters, not ${text.length}`);
}

const SWITCHES: ReadonlyMap<string, boolean> = new Map([
  ...['on', 'yes', 'true', 'y'].map((word) => [word, true] as const),
  ...['off', 'no', 'false', 'n'].map((word) => [word, false] as const),
]);

/** Whether `key` is on, in any of the words that QEMU takes for it. */
export const switchOf = (options: Options | undefined, key: string, remarks: Remarks): boolean | undefined =>
  choiceOf(options, key, SWITCHES, remarks);

export const ON_OFF_AUTO: ReadonlyMap<string, 'on' | 'off' | 'auto'> = new Map([
  ['on', 'on'],
  ['off', 'off'],
  ['auto', 'auto'],
]);

/** What the value of `key` stands for among `choices`. */
export function choiceOf<T>(
  options: Options | undefined,
  key: string,
  choices: ReadonlyMap<string, T>,
  remarks: Remarks,
): T | undefined {
  const text = textOf(options, key);
  if (options === undefined || text === undefined || choices.has(text)) return choices.get(text ?? '');
  return remarks.fault(options.at, `${key} is ${quoted(text)}, not ${[...choices.keys()].join(', ')}`);
}

/** A whole number from `min` to `max`, both inclusive, written as C writes numbers. */
export function integerOf(
  options: Options | undefined,
  key: string,
  [min, max]: readonly [number, number],
  remarks: Remarks,
): number | undefined {
  const text = textOf(options, key);
  if (options === undefined || text === undefined) return undefined;
  const value = /^(?:\d{1,20}|0x[\da-f]{1,16})$/i.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  return remarks.fault(options.at, `${key} is ${quoted(text)}, not ${min} to ${max}`);
}

/** The largest size in bytes, as a descriptor may hold it. */
const SIZE_MAX = (1n << 64n) - 1n;

/**
 * Bytes that `key` says, in QEMU's way (qemu_strtosz): a number, a fraction too, and one letter of BKMGTPE in either case;
 * without a letter it is of `unit`.
 */
export function sizeOf(
  options: Options | undefined,
  key: string,
  remarks: Remarks,
  unit: 'B' | 'M' = 'B',
): bigint | undefined {
  const text = textOf(options, key);
  if (options === undefined || text === undefined) return undefined;
  const bytes = bytesOf(text, unit);
  if (bytes !== undefined && bytes <= SIZE_MAX) return bytes;
  return remarks.fault(options.at, `${key} is ${quoted(text)}, not a size such as 4096M or 16G`);
}

function bytesOf(text: string, unit: string): bigint | undefined {
  const found =
    /^(?:(?<hex>0x[\da-f]{1,16})|(?<whole>\d{1,20})(?:\.(?<fraction>\d{1,20}))?(?<letter>[bkmgtpe])?)$/i.exec(text);
  if (!found) return undefined;
  const { hex, whole = '0', fraction = '', letter } = found.groups ?? {};
  const scale = 1n << (10n * BigInt('BKMGTPE'.indexOf((letter ?? unit).toUpperCase())));
  if (hex !== undefined) return BigInt(hex) * scale;
  return (BigInt(whole + fraction) * scale) / 10n ** BigInt(fraction.length);
}
