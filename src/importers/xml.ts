import { XMLParser, XMLValidator } from 'fast-xml-parser';
import { type ImportFault, refuse } from './import-error.ts';

/** Where an element or a fault begins; both count from 1. */
interface Place {
  readonly line: number;
  readonly column: number;
}

export interface XmlElement extends Place {
  /** With its namespace prefix, as written. */
  readonly name: string;
  readonly attributes: ReadonlyMap<string, string>;
  readonly children: readonly XmlElement[];
  /** Its own text without its children's, trimmed. */
  readonly text: string;
}

/** Characters of a document, tags and levels of elements in it: several times what libvirt writes for the largest domains. */
const MAX_CHARACTERS = 1 << 20;
const MAX_TAGS = 60_000;
const MAX_DEPTH = 64;

const SECOND_ROOT = 'a second root element; send one domain at a time, or all of them under one root';

/** What the parser yields: one element's content under its name, its attributes under ":@"; or text. */
type Node = Readonly<Record<string, unknown>> & { readonly ':@'?: Readonly<Record<string, string>> };

const parser = new XMLParser({
  preserveOrder: true,
  ignoreAttributes: false,
  attributeNamePrefix: '',
  ignoreDeclaration: true,
  ignorePiTags: true,
  parseTagValue: false,
  processEntities: false,
  cdataPropName: '#cdata',
  captureMetaData: true,
  jPath: false,
  maxNestedTags: Number.POSITIVE_INFINITY,
});

const METADATA = XMLParser.getMetaDataSymbol() as symbol;

/**
 * The root element of an XML document. Throws an {@link ImportError} where the document is not well-formed, declares a
 * document type or entities, has several roots, or is too long, too full or too deep.
 */
export function parseXml(document: string): XmlElement {
  const text = document.replace(/^\uFEFF/, '');
  if (text.length > MAX_CHARACTERS) refuse({ line: 1 }, `longer than ${MAX_CHARACTERS} characters`);
  const placeAt = placesIn(text);
  let tags = 0;
  for (let at = text.indexOf('<'); at >= 0; at = text.indexOf('<', at + 1)) {
    if (++tags > MAX_TAGS) refuse(placeAt(at), `more than ${MAX_TAGS} tags`);
  }
  refuseDeclarations(text, placeAt);
  refuseMalformed(text, placeAt);
  const [root, second] = nodesOf(text, placeAt).map((node) => elementOf(node, placeAt, 1));
  if (second) refuse(placeOf(second), SECOND_ROOT);
  return root ?? refuse({ line: 1 }, 'no element');
}

/** Where `element` begins, and nothing else of it. */
export const placeOf = ({ line, column }: Place): Place => ({ line, column });

/** A function from an index into `text` to its line and column. */
function placesIn(text: string): (index: number) => Place {
  const starts = [0, ...Array.from(text.matchAll(/\r\n|\r|\n/g), ({ index, 0: newline }) => index + newline.length)];
  return (index) => {
    let [line, end] = [0, starts.length];
    while (end - line > 1) {
      const middle = (line + end) >> 1;
      if ((starts[middle] ?? 0) <= index) line = middle;
      else end = middle;
    }
    return { line: line + 1, column: index - (starts[line] ?? 0) + 1 };
  };
}

/** Comments, CDATA and processing instructions are matched whole, so that what they quote is not taken for a declaration. */
function refuseDeclarations(text: string, placeAt: (index: number) => Place): void {
  const markup = /<!--.*?(?:-->|$)|<!\[CDATA\[.*?(?:\]\]>|$)|<\?.*?(?:\?>|$)|(?<declaration><!\w{0,16})/gs;
  for (const { groups, index } of text.matchAll(markup)) {
    const found = groups?.['declaration'];
    if (found) refuse(placeAt(index), `${found} is refused: neither a document type nor entities may be declared`);
  }
}

function refuseMalformed(text: string, placeAt: (index: number) => Place): void {
  const verdict = XMLValidator.validate(text);
  if (verdict === true) return;
  const { msg, line, col } = verdict.err;
  // Of several elements left open the validator names neither the innermost nor its line.
  if (msg.startsWith("Invalid '[")) malformed(placeAt(text.length), 'it ends before its elements do');
  if (msg.startsWith('Multiple possible root')) refuse({ line, column: col }, SECOND_ROOT);
  // Where there is no element at all, there is no column.
  malformed(col === undefined ? { line } : { line, column: col }, msg);
}

const malformed = (place: Omit<ImportFault, 'detail'>, why: string): never =>
  refuse(place, `not well-formed XML: ${why.slice(0, 200)}`);

/** What the validator let pass and the parser does not, such as an open comment after the root, has no place of its own. */
function nodesOf(text: string, placeAt: (index: number) => Place): readonly Node[] {
  try {
    return (parser.parse(text) as Node[]).filter((node) => METADATA in node);
  } catch (error) {
    return malformed(placeAt(text.length), (error as Error).message);
  }
}

function elementOf(node: Node, placeAt: (index: number) => Place, depth: number): XmlElement {
  const place = placeAt((node as Record<symbol, { startIndex: number }>)[METADATA]?.startIndex ?? 0);
  const name = Object.keys(node).find((key) => key !== ':@') ?? '';
  if (depth > MAX_DEPTH) refuse(place, `elements are nested more than ${MAX_DEPTH} deep`);
  const content = node[name] as readonly Node[];
  return {
    ...place,
    name,
    attributes: new Map(Object.entries(node[':@'] ?? {}).map(([key, value]) => [key, unescaped(value, place)])),
    children: content.filter((each) => METADATA in each).map((each) => elementOf(each, placeAt, depth + 1)),
    text: content.map((each) => textOf(each, place)).join(''),
  };
}

function textOf(node: Node, place: Place): string {
  const { '#text': text, '#cdata': cdata } = node;
  if (typeof text === 'string') return unescaped(text, place);
  return Array.isArray(cdata) ? cdata.map((each: Node) => String(each['#text'])).join('') : '';
}

const PREDEFINED: ReadonlyMap<string, string> = new Map([
  ['amp', '&'],
  ['apos', "'"],
  ['gt', '>'],
  ['lt', '<'],
  ['quot', '"'],
]);

/** Character references, and the five entities that XML has without a declaration. */
const unescaped = (raw: string, place: Place): string =>
  raw.replace(/&(?:([^&;]{1,32});)?/g, (found, reference: string | undefined) => {
    const character = PREDEFINED.get(reference ?? '') ?? characterOf(reference ?? '');
    return character ?? refuse(place, `${found} is no entity of XML's own`);
  });

function characterOf(reference: string): string | undefined {
  const { hex, decimal } = /^#(?:x(?<hex>[\da-f]+)|(?<decimal>\d+))$/i.exec(reference)?.groups ?? {};
  const code = hex === undefined ? Number(decimal) : Number.parseInt(hex, 16);
  const isCharacter = code > 0 && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
  return isCharacter ? String.fromCodePoint(code) : undefined;
}
