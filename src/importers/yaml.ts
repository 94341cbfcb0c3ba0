import { CST, isAlias, isMap, isScalar, isSeq, Lexer, LineCounter, type Node, parseAllDocuments } from 'yaml';
import { refuse } from './import-error.ts';

/** A value of a YAML document, and where it begins; both count from 1. */
export interface YamlNode {
  readonly line: number;
  readonly column: number;
  readonly value: YamlValue;
  /** The line of its key, of a member. */
  readonly keyLine?: number;
}

type YamlValue = ReadonlyMap<string, YamlNode> | readonly YamlNode[] | string | number | boolean | null;

/** Characters of a document, tokens that it is made of, and levels of values in it. */
const [MAX_CHARACTERS, MAX_TOKENS, MAX_DEPTH] = [1 << 20, 100_000, 64];

/** Values that a document may come to, an alias counting as what it stands for. */
const MAX_VALUES = 100_000;

/**
 * The value of the one document that `text` is: YAML 1.2, of which JSON is a part. Throws an ImportError where it is not
 * well-formed, has a key twice, tags, merge keys or several documents, or is too long, too deep or too large.
 */
export function parseYaml(text: string): YamlNode {
  if (text.length > MAX_CHARACTERS) refuse({ line: 1 }, `longer than ${MAX_CHARACTERS} characters`);
  refuseExcess(text);
  const lineCounter = new LineCounter();
  const documents = parseAllDocuments(text, { lineCounter, uniqueKeys: false, prettyErrors: false });
  const placeAt = (offset: number): Place => {
    const { line, col } = lineCounter.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  const [document, second] = Array.isArray(documents) ? documents : [];
  const error = [document, second].flatMap((each) => [...(each?.errors ?? []), ...(each?.warnings ?? [])])[0];
  if (error) refuse(placeAt(error.pos[0]), `not well-formed YAML: ${error.message.slice(0, 200)}`);
  if (second && !(isScalar(second.contents) && second.contents.value === null)) {
    refuse(placeAt(second.range[0]), 'a second document; send one at a time, or a List');
  }
  return document?.contents ? new Reader(placeAt).read(document.contents) : refuse({ line: 1 }, 'no value');
}

interface Place {
  readonly line: number;
  readonly column: number;
}

/**
 * The parser goes down with every level and would not survive too many; it also takes its time. So tokens are looked at
 * first, which takes little: how deep brackets, indentation and the markers of a line go.
 */
function refuseExcess(text: string): void {
  let [tokens, line, brackets, markers, isContent, isLineStart] = [0, 1, 0, 0, false, true];
  const indents: number[] = [];
  for (const token of new Lexer().lex(text)) {
    if (++tokens > MAX_TOKENS) refuse({ line }, `more than ${MAX_TOKENS} tokens`);
    const type = isContent ? 'text' : CST.tokenType(token);
    if (isLineStart && type !== 'newline') {
      const indent = type === 'space' ? token.length : 0;
      while (indents.length > 0 && (indents.at(-1) ?? 0) >= indent) indents.pop();
      indents.push(indent);
      markers = 0;
    }
    isLineStart = type === 'newline';
    isContent = type === 'scalar';
    if (type === 'flow-seq-start' || type === 'flow-map-start') brackets++;
    else if (type === 'flow-seq-end' || type === 'flow-map-end') brackets--;
    else if (type === 'seq-item-ind' || type === 'explicit-key-ind') markers++;
    if (brackets + markers + indents.length > MAX_DEPTH) {
      refuse({ line }, `values are nested more than ${MAX_DEPTH} deep`);
    }
    for (let at = token.indexOf('\n'); at >= 0; at = token.indexOf('\n', at + 1)) line++;
  }
}

/** Reads the parser's nodes into values, and aliases into what they stand for. */
class Reader {
  readonly #placeAt: (offset: number) => Place;
  /** What is anchored so far, and how many values it comes to. */
  readonly #anchors = new Map<string, { readonly value: YamlValue; readonly count: number }>();
  #count = 0;

  constructor(placeAt: (offset: number) => Place) {
    this.#placeAt = placeAt;
  }

  read(node: Node): YamlNode {
    const place = this.#placeAt(node.range?.[0] ?? 0);
    if ('tag' in node && node.tag !== undefined) refuse(place, `the tag ${node.tag.slice(0, 64)} is not read`);
    const before = this.#count++;
    const value = this.#valueOf(node, place);
    if (this.#count > MAX_VALUES) refuse(place, `more than ${MAX_VALUES} values, those of aliases included`);
    const { anchor } = node as { anchor?: string };
    if (anchor !== undefined && !isAlias(node)) this.#anchors.set(anchor, { value, count: this.#count - before });
    return { ...place, value };
  }

  #valueOf(node: Node, place: Place): YamlValue {
    if (isAlias(node)) {
      const anchored = this.#anchors.get(node.source);
      if (!anchored) return refuse(place, `*${node.source.slice(0, 64)} stands for nothing before it`);
      this.#count += anchored.count;
      return anchored.value;
    }
    if (isSeq<Node | null>(node)) return node.items.map((item) => this.#item(item, place));
    if (!isMap<Node, Node | null>(node)) {
      const value: unknown = isScalar(node) ? node.value : null;
      return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? value : null;
    }
    const members = new Map<string, YamlNode>();
    for (const { key, value } of node.items) {
      const { value: name, ...at } = this.read(key);
      const text = typeof name === 'object' && name !== null ? refuse(at, 'a key that is no text') : String(name);
      if (text === '<<') refuse(at, 'merge keys are not read');
      if (members.has(text)) refuse(at, `the key ${JSON.stringify(text.slice(0, 64))} stands twice`);
      members.set(text, { ...this.#item(value, at), keyLine: at.line });
    }
    return members;
  }

  #item(node: Node | null, place: Place): YamlNode {
    return node === null ? { ...place, value: null } : this.read(node);
  }
}
