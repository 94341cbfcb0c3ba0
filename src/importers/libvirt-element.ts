import type { XmlElement } from './xml.ts';

/** Where the readers of a domain leave what a descriptor has no place for. */
export interface DomainRemarks {
  /** Records that the import fails, for what `at` says. */
  readonly fault: (at: XmlElement, detail: string) => undefined;
  /** Records that an element, or what `detail` says of it, is not read although it may matter. */
  readonly unread: (element: string, detail?: string) => void;
  /** Records a sentence on how the domain was read. */
  readonly note: (sentence: string) => void;
}

/** The longest name a descriptor may hold. */
const MAX_NAME = 256;

/** The largest size in bytes, as a descriptor may hold it. */
export const MAX_SIZE = (1n << 64n) - 1n;

export const ON_OFF: ReadonlyMap<string, boolean> = new Map([
  ['on', true],
  ['off', false],
]);

export const YES_NO: ReadonlyMap<string, boolean> = new Map([
  ['yes', true],
  ['no', false],
]);

/** The children of `parent` called `name`. */
export const each = (parent: XmlElement | undefined, name: string): readonly XmlElement[] =>
  parent?.children.filter((child) => child.name === name) ?? [];

/** The elements at the end of `path`, a name a level, under `root`. */
export const along = (root: XmlElement | undefined, ...path: readonly string[]): readonly XmlElement[] =>
  path.reduce<readonly XmlElement[]>(
    (elements, name) => elements.flatMap((element) => each(element, name)),
    root ? [root] : [],
  );

/** The child of `parent` called `name`, of which there may be one. */
export function only(parent: XmlElement | undefined, name: string, { fault }: DomainRemarks): XmlElement | undefined {
  const [first, second] = each(parent, name);
  if (parent && second) fault(second, `a second <${name}> in <${parent.name}>`);
  return first;
}

/** The value of an attribute of the first element at the end of `path` under `root`. */
export const attributeAt = (
  root: XmlElement | undefined,
  attribute: string,
  ...path: readonly string[]
): string | undefined => along(root, ...path)[0]?.attributes.get(attribute);

/** A user's text as a fault quotes it. */
export const quoted = (text: string): string => JSON.stringify(text.length > 64 ? `${text.slice(0, 64)}…` : text);

/** `text` of `element`, which must have 1 to 256 characters. */
export function nameOf(element: XmlElement, text: string | undefined, { fault }: DomainRemarks): string | undefined {
  if (text === undefined || (text.length > 0 && text.length <= MAX_NAME)) return text;
  return fault(element, `<${element.name}> must hold 1 to ${MAX_NAME} characters, not ${text.length}`);
}

/** What the value of an attribute stands for among `choices`. */
export function choice<T>(
  element: XmlElement | undefined,
  attribute: string,
  choices: ReadonlyMap<string, T>,
  { fault }: DomainRemarks,
): T | undefined {
  const value = element?.attributes.get(attribute);
  if (element === undefined || value === undefined) return undefined;
  if (choices.has(value)) return choices.get(value);
  return fault(element, `${attribute} of <${element.name}> is ${quoted(value)}, not ${[...choices.keys()].join(', ')}`);
}

/** A decimal attribute from `min` to `max`, both inclusive. */
export function integer(
  element: XmlElement | undefined,
  attribute: string,
  [min, max]: readonly [number, number],
  { fault }: DomainRemarks,
): number | undefined {
  const text = element?.attributes.get(attribute);
  if (element === undefined || text === undefined) return undefined;
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  return fault(element, `${attribute} of <${element.name}> is ${quoted(text)}, not ${min} to ${max}`);
}

/**
 * Bytes that an element with a `unit` (KiB unless given) says, rounded up to a whole KiB as libvirt does; at most 2^64 − 1.
 * Units are virScaleInteger's (libvirt, src/util/virutil.c): their case does not matter, "K" is "KiB", and "KB" is 1000.
 */
export function sizeOf(element: XmlElement, { fault }: DomainRemarks, text: string = element.text): bigint | undefined {
  const unit = element.attributes.get('unit') ?? 'KiB';
  const scale = bytesOfUnit(unit);
  if (scale === undefined) return fault(element, `${quoted(unit)} is no unit of <${element.name}>`);
  if (!/^\d{1,32}$/.test(text)) return fault(element, `<${element.name}> is ${quoted(text)}, not a whole number`);
  const kibibytes = (BigInt(text) * scale + 1023n) >> 10n;
  if (kibibytes << 10n > MAX_SIZE) return fault(element, `<${element.name}> is more than 2^64 − 1 bytes`);
  return kibibytes << 10n;
}

function bytesOfUnit(unit: string): bigint | undefined {
  if (/^(?:b|bytes?)$/i.test(unit)) return 1n;
  const { prefix, decimal } = /^(?<prefix>[kmgtpe])(?:ib|(?<decimal>b))?$/i.exec(unit)?.groups ?? {};
  if (prefix === undefined) return undefined;
  return (decimal === undefined ? 1024n : 1000n) ** BigInt('kmgtpe'.indexOf(prefix.toLowerCase()) + 1);
}

/**
 * The numbers of an `<address>`, in the order of `parts`: each is named with its largest value, is 0 where it is left out,
 * and is written as C writes numbers, mostly in hexadecimal.
 */
export const addressParts = (
  address: XmlElement,
  parts: readonly (readonly [name: string, max: number])[],
  { fault }: DomainRemarks,
): number[] =>
  parts.map(([part, max]) => {
    const text = address.attributes.get(part) ?? '0';
    const value = numberAsInC(text);
    if (value <= max) return value;
    fault(address, `${part} of <address> is ${quoted(text)}, not 0 to 0x${max.toString(16)}`);
    return 0;
  });

function numberAsInC(text: string): number {
  if (/^0x[\da-f]+$/i.test(text)) return Number(text);
  if (/^0[0-7]*$/.test(text)) return Number.parseInt(text, 8);
  return /^[1-9]\d*$/.test(text) ? Number(text) : Number.NaN;
}
