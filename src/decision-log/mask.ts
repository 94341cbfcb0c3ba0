import { createHmac } from 'node:crypto';
import { isObject, type Members } from '../descriptor/json-object.ts';
import { member, type Pointer, tokens } from '../descriptor/pointer.ts';
import type { LoggedDecision } from './logged-decision.ts';

/** A masked part of the input, as it is configured, and the rest of the way to it. */
interface Way {
  readonly pattern: Pointer;
  readonly rest: readonly string[];
}

/**
 * Keeps to itself what of a descriptor is not to be remembered. A text gets a pseudonym, the same wherever and whenever the
 * key is the same, so that lines about one VM or device are still known for that; what else is masked is left out.
 */
export class Mask {
  readonly #ways: readonly Way[];
  readonly #key: string | Buffer;

  /** `patterns` are pointers into the descriptor, in which `*` stands for any member or index. */
  constructor(patterns: readonly Pointer[], key: string | Buffer) {
    this.#ways = patterns.map((pattern) => ({ pattern, rest: tokens(pattern) }));
    this.#key = key;
  }

  /** `line` without what is masked, which is named in it. */
  applied({ input, notChecked, site, defaults, ...line }: LoggedDecision): LoggedDecision {
    const found = new Set<Pointer>();
    const names = new Map<string, string>();
    const masked = this.#below(input, this.#ways, found, names) as Members;
    const ids = renamed(idsOf(input), idsOf(masked));
    return {
      ...line,
      ...(found.size > 0 && { masked: [...found] }),
      ...(notChecked && { notChecked: notChecked.map((text) => withPseudonyms(text, names)) }),
      ...(site && { site: site.map((pointer) => ofDevice(pointer, ids)) }),
      ...(defaults && { defaults: defaults.map((pointer) => ofDevice(pointer, ids)) }),
      input: withReasons(withDevices(masked, ids), names),
    };
  }

  #below(node: unknown, ways: readonly Way[], found: Set<Pointer>, names: Map<string, string>): unknown {
    if (ways.length === 0 || typeof node !== 'object' || node === null) return node;
    const kept = Object.entries(node).flatMap(([key, value]: [string, unknown]) => {
      const on = ways
        .filter(({ rest: [next] }) => next === key || next === '*')
        .map(({ pattern, rest }) => ({ pattern, rest: rest.slice(1) }));
      const here = on.filter(({ rest }) => rest.length === 0);
      for (const { pattern } of here) found.add(pattern);
      if (here.length === 0) return [[key, this.#below(value, on, found, names)] as const];
      if (typeof value !== 'string') return [];
      const pseudonym = this.#pseudonym(value);
      names.set(value, pseudonym);
      return [[key, pseudonym] as const];
    });
    return Array.isArray(node) ? kept.map(([, value]) => value) : Object.fromEntries(kept);
  }

  #pseudonym(text: string): string {
    return `masked-${createHmac('sha256', this.#key).update(text).digest('hex').slice(0, 12)}`;
  }
}

/** The ids of the VM's devices. */
function idsOf({ vm }: Members): unknown[] {
  const vfio = isObject(vm) ? vm['vfio'] : [];
  return Array.isArray(vfio) ? vfio.map((device: unknown) => (isObject(device) ? device['id'] : undefined)) : [];
}

const renamed = (before: readonly unknown[], after: readonly unknown[]): ReadonlyMap<unknown, string> =>
  new Map(before.flatMap((id, index) => (after[index] === id ? [] : [[id, String(after[index])]])));

const SIDES = ['source', 'destination'];

/** Hosts list facts of devices by their ids, which pointers into them then hold. */
function ofDevice(pointer: Pointer, ids: ReadonlyMap<unknown, string>): Pointer {
  const [side = '', list, id, ...rest] = tokens(pointer);
  const isDevice = SIDES.includes(side) && list === 'devices' && ids.has(id);
  return isDevice ? [side, list, ids.get(id) ?? '', ...rest].reduce<Pointer>(member, '') : pointer;
}

function withDevices(input: Members, ids: ReadonlyMap<unknown, string>): Members {
  if (ids.size === 0) return input;
  const hosts = SIDES.flatMap((side) => {
    const host = input[side];
    if (!isObject(host) || !isObject(host['devices'])) return [];
    const devices = Object.entries(host['devices']).map(([id, facts]) => [ids.get(id) ?? id, facts]);
    return [[side, { ...host, devices: Object.fromEntries(devices) }]];
  });
  return { ...input, ...Object.fromEntries(hosts) };
}

/** What QEMU said itself names devices. */
function withReasons(input: Members, names: ReadonlyMap<string, string>): Members {
  const { vm } = input;
  const runtime = isObject(vm) ? vm['runtime'] : undefined;
  if (!isObject(vm) || !isObject(runtime) || !Array.isArray(runtime['blockedReasons'])) return input;
  const blockedReasons = runtime['blockedReasons'].map((text: unknown) =>
    typeof text === 'string' ? withPseudonyms(text, names) : text,
  );
  return { ...input, vm: { ...vm, runtime: { ...runtime, blockedReasons } } };
}

const IN_WORD = /[\p{L}\p{N}]/u;

/** `text` with pseudonyms for the names that stand in it as words; of names within one another the longest counts. */
function withPseudonyms(text: string, names: ReadonlyMap<string, string>): string {
  const longestFirst = [...names].toSorted(([a], [b]) => b.length - a.length);
  return longestFirst.reduce(
    (written, [name, pseudonym]) =>
      name === ''
        ? written
        : written.replaceAll(name, (found: string, at: number) => {
            const isPart = IN_WORD.test(written.charAt(at - 1)) || IN_WORD.test(written.charAt(at + found.length));
            return isPart ? found : pseudonym;
          }),
    text,
  );
}
