const MOST = 1024;

/**
 * What was simulated, by everything that it rests on: the same few machines for a whole fleet. What rests on one list of
 * mappings is kept beside that list, which is asked for again and again while other facts are missing.
 */
export class Remembered<T> {
  readonly #all = new Map<string, T>();
  readonly #ofList = new WeakMap<object, Map<string, T>>();

  of(list: object | undefined, key: string, make: () => T): T {
    const values = list === undefined ? this.#all : this.#valuesOf(list);
    const before = values.get(key);
    if (before !== undefined) return before;
    const made = make();
    if (values.size >= MOST) values.clear();
    values.set(key, made);
    return made;
  }

  #valuesOf(list: object): Map<string, T> {
    const values = this.#ofList.get(list) ?? new Map<string, T>();
    this.#ofList.set(list, values);
    return values;
  }
}

/** `make`, once for each object that it is given. */
export function oncePer<Key extends object, T>(make: (key: Key) => T): (key: Key) => T {
  const made = new WeakMap<Key, { readonly value: T }>();
  return (key) => {
    const before = made.get(key);
    if (before) return before.value;
    const value = make(key);
    made.set(key, { value });
    return value;
  };
}
