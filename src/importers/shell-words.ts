import { refuse } from './import-error.ts';

/** A word of shell text, without its quotes, and where it begins; both count from 1. */
export interface ShellWord {
  readonly text: string;
  readonly line: number;
  readonly column: number;
}

/**
 * The words of each command in `text`, as a POSIX shell splits them. Nothing is expanded: globs stand for themselves, and
 * what only a shell could fill in (`$NAME`, a command's output) is refused, as is a quote left open. Redirections are
 * dropped. A word that begins with `{"` is JSON without quotes around it, as `ps` lists arguments, and is taken whole.
 */
export function* shellCommands(text: string): Generator<readonly ShellWord[]> {
  const reader = new Reader(text.replaceAll('\r\n', '\n'));
  let words: ShellWord[] = [];
  let isRedirected = false;
  while (!reader.isAtEnd) {
    if (reader.match(ENDS) !== undefined) {
      if (words.length > 0) yield words;
      [words, isRedirected] = [[], false];
    } else if (reader.match(REDIRECTION) !== undefined) {
      isRedirected = true;
    } else if (reader.match(SPACE) === undefined) {
      const place = reader.place();
      const word = readWord(reader);
      const isDescriptor = /^\d+$/.test(word) && reader.isAt(REDIRECTION);
      if (!isRedirected && !isDescriptor) words.push({ text: word, ...place });
      isRedirected = false;
    }
  }
  if (words.length > 0) yield words;
}

/** Blanks, lines that go on with the next, and comments. */
const SPACE = /(?:[^\S\n]|\\\n)+|#[^\n]*/y;
const ENDS = /[\n;&|]+/y;
const REDIRECTION = /[<>][<>&]*/y;

const PLAIN = /[^\s;&|<>'"\\$`]+/y;
const SINGLE_QUOTED = /'[^']*'/y;
const ESCAPED = /\\[\s\S]?/y;

const DOUBLE_QUOTE = /"/y;
const PLAIN_IN_QUOTES = /[^"\\$`]+/y;
const ESCAPED_IN_QUOTES = /\\[$`"\\\n]/y;

const EXPANSION = /\$[\w{('"]|`/y;
const EXPANSION_IN_QUOTES = /\$[\w{(]|`/y;
const ANY = /[\s\S]/y;

const JSON_START = /\{(?=")/y;
const PLAIN_IN_JSON = /[^{}"]+/y;
const STRING_IN_JSON = /"[^"\\]*(?:\\[\s\S][^"\\]*)*"/y;
const BRACE = /[{}]/y;

function readWord(reader: Reader): string {
  let word = reader.isAt(JSON_START) ? readJson(reader) : '';
  while (!reader.isAtEnd && !reader.isAt(ENDS) && !reader.isAt(REDIRECTION) && !/\s/.test(reader.next)) {
    const single = reader.match(SINGLE_QUOTED);
    if (single !== undefined) word += single.slice(1, -1);
    else if (reader.next === "'") refuse(reader.place(), "a ' that is never closed");
    else if (reader.isAt(DOUBLE_QUOTE)) word += readDoubleQuoted(reader);
    else word += reader.match(PLAIN) ?? unescaped(reader.match(ESCAPED)) ?? readLiteral(reader, EXPANSION);
  }
  return word;
}

function readDoubleQuoted(reader: Reader): string {
  const place = reader.place();
  let inside = '';
  reader.match(DOUBLE_QUOTE);
  while (reader.match(DOUBLE_QUOTE) === undefined) {
    if (reader.isAtEnd) refuse(place, 'a " that is never closed');
    inside +=
      reader.match(PLAIN_IN_QUOTES) ??
      unescaped(reader.match(ESCAPED_IN_QUOTES)) ??
      readLiteral(reader, EXPANSION_IN_QUOTES);
  }
  return inside;
}

/** A backslash before the end of a line takes it away. */
const unescaped = (sequence: string | undefined): string | undefined => sequence?.slice(1).replace('\n', '');

/** A character that stands for itself. */
function readLiteral(reader: Reader, expansion: RegExp): string {
  if (reader.isAt(expansion)) {
    const what = `${reader.next} stands for what only the shell knows`;
    refuse(reader.place(), `${what}: send the arguments as QEMU got them`);
  }
  return reader.match(ANY) ?? '';
}

/** JSON up to the brace that closes the first. */
function readJson(reader: Reader): string {
  const place = reader.place();
  let [depth, json] = [0, ''];
  do {
    const part = reader.match(PLAIN_IN_JSON) ?? reader.match(STRING_IN_JSON) ?? reader.match(BRACE);
    if (part === undefined) return refuse(place, 'JSON that is never closed');
    depth += part === '{' ? 1 : part === '}' ? -1 : 0;
    json += part;
  } while (depth > 0);
  return json;
}

/** Text, and how far it was read. */
class Reader {
  readonly #text: string;
  #index = 0;
  #line = 1;
  #lineStart = 0;

  constructor(text: string) {
    this.#text = text;
  }

  get isAtEnd(): boolean {
    return this.#index >= this.#text.length;
  }

  get next(): string {
    return this.#text[this.#index] ?? '';
  }

  isAt(pattern: RegExp): boolean {
    pattern.lastIndex = this.#index;
    return pattern.test(this.#text);
  }

  /** Reads what `pattern` matches here. */
  match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#index;
    const found = pattern.exec(this.#text)?.[0];
    if (found === undefined) return undefined;
    this.#index += found.length;
    for (let at = found.indexOf('\n'); at >= 0; at = found.indexOf('\n', at + 1)) {
      this.#line++;
      this.#lineStart = this.#index - found.length + at + 1;
    }
    return found;
  }

  place(): { readonly line: number; readonly column: number } {
    return { line: this.#line, column: this.#index - this.#lineStart + 1 };
  }
}
