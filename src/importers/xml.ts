import { parseXml as parseWhole, XmlElement as Parsed, XmlError, XmlText } from '@rgrove/parse-xml';
import { refuse } from './import-error.ts';

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

/**
 * The root element of an XML document. Throws an {@link ImportError} where the document is not well-formed, declares a
 * document type or entities, has several roots, or is too long, too full or too deep.
 */
export function parseXml(document: string): XmlElement {
  const text = document.replace(/^\uFEFF/, '').replaceAll(/\r\n?/g, '\n');
  if (text.length > MAX_CHARACTERS) refuse({ line: 1 }, `longer than ${MAX_CHARACTERS} characters`);
  const placeAt = placesIn(text);
  refuseExcess(text, placeAt);
  return elementOf(rootOf(text), placeAt);
}

/** Where `element` begins, and nothing else of it. */
export const placeOf = ({ line, column }: Place): Place => ({ line, column });

/** A function from an index into `text` to its line and column. */
function placesIn(text: string): (index: number) => Place {
  const starts = [0];
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
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

/**
 * Comments, CDATA, processing instructions and the values of attributes are matched whole, so that what they quote is
 * taken neither for a declaration nor for a tag.
 */
const MARKUP =
  /<!--.*?(?:-->|$)|<!\[CDATA\[.*?(?:\]\]>|$)|<\?.*?(?:\?>|$)|(?<declaration><!\w{0,16})|<(?<end>\/?)[^<>"']*(?:(?:"[^<"]*"|'[^<']*')[^<>"']*)*>?/gs;

/** The parser goes down with every level, and heeds no declaration: what it shall not see is looked for first. */
function refuseExcess(text: string, placeAt: (index: number) => Place): void {
  let [tags, depth, roots] = [0, 0, 0];
  for (const { 0: markup, groups, index } of text.matchAll(MARKUP)) {
    const { declaration, end } = groups ?? {};
    if (declaration !== undefined) {
      refuse(placeAt(index), `${declaration} is refused: neither a document type nor entities may be declared`);
    }
    // What is no tag has no end either.
    if (end === undefined) continue;
    if (++tags > MAX_TAGS) refuse(placeAt(index), `more than ${MAX_TAGS} tags`);
    if (end === '' && depth === 0 && ++roots > 1) refuse(placeAt(index), SECOND_ROOT);
    if (end === '/') depth--;
    else if (!markup.endsWith('/>') && ++depth > MAX_DEPTH) {
      refuse(placeAt(index), `elements are nested more than ${MAX_DEPTH} deep`);
    }
  }
}

const SECOND_ROOT = 'a second root element; send one domain at a time, or all of them under one root';

function rootOf(text: string): Parsed {
  try {
    return parseWhole(text, { includeOffsets: true }).root ?? refuse({ line: 1 }, 'no element');
  } catch (error) {
    if (!(error instanceof XmlError)) throw error;
    const { line, column, message } = error;
    // The parser tells the place behind what is wrong, and shows what stands there.
    const [why = ''] = message.split(/ \(line \d|\n/, 1);
    return refuse({ line, column }, `not well-formed XML: ${why.slice(0, 200)}`);
  }
}

function elementOf({ name, attributes, children, start }: Parsed, placeAt: (index: number) => Place): XmlElement {
  const { line, column } = placeAt(start);
  const elements: XmlElement[] = [];
  let text = '';
  for (const child of children) {
    if (child instanceof Parsed) elements.push(elementOf(child, placeAt));
    else if (child instanceof XmlText) text += child.text;
  }
  return { line, column, name, attributes: new Map(Object.entries(attributes)), children: elements, text: text.trim() };
}
