/** A JSON Pointer (RFC 6901) into a descriptor; `''` is the whole of it. */
export type Pointer = string;

/** The pointer to member `key` of what `parent` points at. */
export const member = (parent: Pointer, key: string | number): Pointer =>
  `${parent}/${typeof key === 'string' && /[~/]/.test(key) ? key.replaceAll('~', '~0').replaceAll('/', '~1') : key}`;

/** The reference tokens of `pointer`, unescaped. */
export const tokens = (pointer: Pointer): string[] =>
  pointer
    .split('/')
    .slice(1)
    .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'));

/** What `document` holds at `pointer`; `undefined` where it holds nothing there. */
export const valueAt = (document: unknown, pointer: Pointer): unknown =>
  tokens(pointer).reduce<unknown>(
    (node, key) =>
      typeof node === 'object' && node !== null && Object.hasOwn(node, key)
        ? (node as Readonly<Record<string, unknown>>)[key]
        : undefined,
    document,
  );

/** A copy of `document` that holds `value` at `pointer`; missing parents become objects, or lists for an index of 0. What is not on the way is shared. */
export function withValueAt<T>(document: T, pointer: Pointer, value: unknown): T {
  return replaced(document, tokens(pointer), value) as T;
}

function replaced(node: unknown, path: readonly string[], value: unknown): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return value;
  if (Array.isArray(node)) {
    const index = Number(key);
    return node.map((item: unknown, i) => (i === index ? replaced(item, rest, value) : item));
  }
  if (node === undefined && key === '0') return [replaced(undefined, rest, value)];
  const parent = (node ?? {}) as Record<string, unknown>;
  return { ...parent, [key]: replaced(parent[key], rest, value) };
}
