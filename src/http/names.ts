/**
 * What VMs and their devices are called, taken out of the JSON that describes them. VMs of a fleet differ mostly in that,
 * and an answer shows no more of it than the names themselves.
 */

/** JSON with its names taken out, and those names. */
export interface Nameless {
  /** The JSON, with a mark for each name: still JSON. */
  readonly text: string;
  /** In the order of the text. */
  readonly names: readonly string[];
}

/** What stands for names: control characters that JSON leaves as they are. */
const [OPEN, CLOSE] = ['\u0091', '\u0092'] as const;
const MARK = /\u0091(\d+)\u0092/;

/** A member whose text is a name, wherever it stands, if JSON need not escape anything in it. */
const NAMED = /"(?:ref|name|host)": ?"([ -!#-[\]-\uffff]*)"/g;

/**
 * `json` without the text of members called `ref`, `name` or `host`; `null` where it holds what marks are made of. If `json`
 * is JSON, so is every text that differs from it in nothing but such names.
 */
export function withoutNames(json: string): Nameless | null {
  if (json.includes(OPEN)) return null;
  const names: string[] = [];
  let text = '';
  let begun = 0;
  NAMED.lastIndex = 0;
  for (let found = NAMED.exec(json); found !== null; found = NAMED.exec(json)) {
    const name = found[1] as string;
    const end = NAMED.lastIndex - 1;
    text += `${json.slice(begun, end - name.length)}${OPEN}${names.length}${CLOSE}`;
    names.push(name);
    begun = end;
  }
  return { text: text + json.slice(begun), names };
}

/** How many names `text` has marks for. */
export const marksIn = (text: string): number => text.split(OPEN).length - 1;

/** Which name `text` stands for, if it is a mark. */
export function markedName(text: unknown): number | null {
  const [, index] = typeof text === 'string' && text.startsWith(OPEN) ? (MARK.exec(text) ?? []) : [];
  return index === undefined ? null : Number(index);
}

/** A text with blanks for names: `names[i]` says which belongs behind `texts[i]`. */
export interface Blanks<T> {
  readonly texts: readonly T[];
  readonly names: readonly number[];
}

/** `text`, cut at its marks; `as` makes of each piece what is kept. */
export function cutAtMarks<T>(text: string, as: (piece: string) => T): Blanks<T> {
  const parts = text.split(MARK);
  return {
    texts: parts.filter((_, index) => index % 2 === 0).map((each) => as(each)),
    names: parts.filter((_, index) => index % 2 === 1).map(Number),
  };
}
