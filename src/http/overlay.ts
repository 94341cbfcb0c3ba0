import { closest } from 'fastest-levenshtein';
import { deviceId, type Fault } from '../descriptor/check.ts';
import { isObject, type Members } from '../descriptor/json-object.ts';
import { member, type Pointer } from '../descriptor/pointer.ts';

/** Two descriptors laid over each other. */
export interface Overlaid {
  readonly value: unknown;
  /** What was taken from the upper one: where it stands now, and where it stood. */
  readonly from: ReadonlyMap<Pointer, Pointer>;
  /** What of the upper one fits nothing below, by pointer into the upper one. */
  readonly faults: readonly Fault[];
}

/** Lists whose items have names, and how an item of the lower list is called. */
const named: ReadonlyMap<
  Pointer,
  { readonly key: string; readonly nameOf: (item: Members, index: number) => unknown }
> = new Map([
  ['/vm/vfio', { key: 'id', nameOf: (item, index) => deviceId(item, index) }],
  ['/vm/otherDevices', { key: 'id', nameOf: ({ id }) => id }],
  ['/vm/disks', { key: 'node', nameOf: ({ node }) => node }],
]);

/** The nearest name is looked for so many times, and for names of so many characters: it takes its time. */
const HINTS_MAX = 100;
const NAME_MAX = 256;

/**
 * `upper` laid over `lower`, member by member: what both say, `upper` says. A list takes the place of the one below,
 * unless its items are devices with an `id` or disks with a `node`: then each is laid over the item called so, which
 * there must be.
 */
export function overlay(lower: unknown, upper: unknown): Overlaid {
  const from = new Map<Pointer, Pointer>();
  const faults: Fault[] = [];
  const lay = (below: unknown, above: unknown, at: Pointer, was: Pointer): unknown => {
    if (isObject(below) && isObject(above)) {
      const members = new Map(Object.entries(below));
      for (const [key, value] of Object.entries(above)) {
        const own = Object.hasOwn(below, key) ? below[key] : undefined;
        members.set(key, lay(own, value, member(at, key), member(was, key)));
      }
      return Object.fromEntries(members);
    }
    if (Array.isArray(below) && Array.isArray(above)) {
      const items = layItems(below, above, at, was);
      if (items !== null) return items;
    }
    from.set(at, was);
    return above;
  };
  /** `null` where the items have no names. */
  const layItems = (below: readonly unknown[], above: readonly unknown[], at: Pointer, was: Pointer): unknown => {
    const { key, nameOf } = named.get(at) ?? {};
    if (key === undefined || nameOf === undefined || !below.every(isObject)) return null;
    if (!above.some((item) => isObject(item) && item[key] !== undefined)) return null;
    const names = below.map(nameOf);
    const items: unknown[] = [...below];
    const laid = new Map<number, number>();
    for (const [index, item] of above.entries()) {
      const place = member(was, index);
      const name = isObject(item) ? item[key] : undefined;
      const found = name === undefined ? -1 : names.indexOf(name);
      const before = laid.get(found);
      if (found === -1) {
        const hasHint = faults.length < HINTS_MAX;
        faults.push({
          pointer: name === undefined ? place : `${place}/${key}`,
          detail: unnamed(key, name, hasHint ? names : []),
        });
      } else if (before !== undefined) {
        faults.push({ pointer: `${place}/${key}`, detail: `${member(was, before)} is laid over the same already` });
      } else {
        laid.set(found, index);
        items[found] = lay(items[found], without(item as Members, key), member(at, found), place);
      }
    }
    return items;
  };
  return { value: lay(lower, upper, '', ''), from, faults };
}

const without = (members: Members, key: string): Members =>
  Object.fromEntries(Object.entries(members).filter(([name]) => name !== key));

function unnamed(key: string, name: unknown, names: readonly unknown[]): string {
  if (typeof name !== 'string') return `has no "${key}", as others in this list have`;
  if (name.length > NAME_MAX) return `nothing imported has a name of ${name.length} characters`;
  const known = names.filter((each) => typeof each === 'string');
  const hint = known.length > 0 ? `; the nearest is "${closest(name, known)}"` : '';
  return `nothing imported is called "${name}"${hint}`;
}

/** What `places` tell of `pointer` itself or of the nearest that it lies in, and the rest of the way from there. */
export function nearest<T>(
  places: ReadonlyMap<Pointer, T>,
  pointer: Pointer,
): { readonly found: T; readonly rest: Pointer } | null {
  let end = pointer.length;
  for (;;) {
    const found = places.get(pointer.slice(0, end));
    if (found !== undefined) return { found, rest: pointer.slice(end) };
    if (end === 0) return null;
    end = pointer.lastIndexOf('/', end - 1);
  }
}
