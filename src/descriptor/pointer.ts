/** A JSON Pointer (RFC 6901) into a descriptor; `''` is the whole of it. */
export type Pointer = string;

/** The pointer to member `key` of what `parent` points at. */
export const member = (parent: Pointer, key: string | number): Pointer =>
  `${parent}/${typeof key === 'string' && /[~/]/.test(key) ? key.replaceAll('~', '~0').replaceAll('/', '~1') : key}`;

/** A search sets the same facts again and again. Pointers into what somebody sent may be as long as that. */
const paths = new Map<Pointer, readonly string[]>();
const [PATHS_MAX, POINTER_MAX] = [1024, 512];

/** The reference tokens of `pointer`, unescaped. */
export function tokens(pointer: Pointer): readonly string[] {
  const before = paths.get(pointer);
  if (before) return before;
  const escaped = pointer.split('/').slice(1);
  const path = pointer.includes('~')
    ? escaped.map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'))
    : escaped;
  if (pointer.length > POINTER_MAX) return path;
  if (paths.size >= PATHS_MAX) paths.clear();
  paths.set(pointer, path);
  return path;
}

/** What `document` holds at `pointer`; `undefined` where it holds nothing there. */
export const valueAt = (document: unknown, pointer: Pointer): unknown =>
  tokens(pointer).reduce<unknown>(
    (node, key) =>
      typeof node === 'object' && node !== null && Object.hasOwn(node, key)
        ? (node as Readonly<Record<string, unknown>>)[key]
        : undefined,
    document,
  );

/** A value, and the place where it is to stand. */
export interface Placed {
  readonly pointer: Pointer;
  readonly to: unknown;
}

/** A copy of `document` that holds `value` at `pointer`; missing parents become objects. What is not on the way is shared. */
export const withValueAt = <T>(document: T, pointer: Pointer, value: unknown): T =>
  replacedAt(document, tokens(pointer), 0, value) as T;

/** Spelt out, where {@link replaced} would do: a search over missing facts does little else. */
function replacedAt(node: unknown, path: readonly string[], depth: number, to: unknown): unknown {
  const key = path[depth];
  if (key === undefined) return to;
  if (Array.isArray(node)) {
    const index = Number(key);
    return String(index) === key && index in node
      ? node.with(index, replacedAt(node[index], path, depth + 1, to))
      : node;
  }
  const parent = (node ?? {}) as Readonly<Record<string, unknown>>;
  return { ...parent, [key]: replacedAt(parent[key], path, depth + 1, to) };
}

/** The same with several values, none of them inside another. */
export const withValues = <T>(document: T, values: readonly Placed[]): T =>
  replaced(
    document,
    values.map(({ pointer, to }) => ({ path: tokens(pointer), to })),
    0,
  ) as T;

interface OnPath {
  readonly path: readonly string[];
  readonly to: unknown;
}

function replaced(node: unknown, values: readonly OnPath[], depth: number): unknown {
  const [first] = values;
  if (first === undefined) return node;
  if (first.path.length === depth) return first.to;
  const below = new Map<string, OnPath[]>();
  for (const value of values) {
    const key = value.path[depth] as string;
    const list = below.get(key);
    if (list) list.push(value);
    else below.set(key, [value]);
  }
  if (Array.isArray(node)) {
    return node.map((item, index) => replaced(item, below.get(String(index)) ?? [], depth + 1));
  }
  const parent = (node ?? {}) as Readonly<Record<string, unknown>>;
  const members = [...below].map(([key, list]) => [key, replaced(parent[key], list, depth + 1)] as const);
  return { ...parent, ...Object.fromEntries(members) };
}
