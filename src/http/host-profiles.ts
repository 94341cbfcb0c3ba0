import { closest } from 'fastest-levenshtein';
import { check, deviceId } from '../descriptor/check.ts';
import { lazy } from '../descriptor/lazy.ts';
import { member, type Pointer } from '../descriptor/pointer.ts';
import type { HostDescriptor, HostDeviceDescriptor } from '../descriptor/schema.ts';
import { isObject } from '../descriptor/json-object.ts';
import type { Place } from './problems.ts';
import { namedSchemas, ref } from './schemas.ts';
import { validators } from './validation.ts';
import { readYaml } from './yaml-file.ts';

/**
 * Host facts by a name that requests may use. Devices are listed by their id, by their address on the host, or as `*` for
 * all that are not.
 */
export type HostProfiles = ReadonlyMap<string, HostDescriptor>;

export const NO_PROFILES: HostProfiles = new Map();

/**
 * The profiles that `text` lists under `hosts`, in YAML or JSON.
 * @throws Error naming every line that is wrong.
 */
export function parseHostProfiles(text: string): HostProfiles {
  const { content, wrong } = readYaml(text);
  const faults = faultsOf(content);
  if (faults.length > 0) throw wrong(faults);
  return new Map(Object.entries((content as { hosts: Record<string, HostDescriptor> }).hosts));
}

const schema = {
  type: 'object',
  properties: { hosts: { type: 'object', additionalProperties: ref('Host') } },
  required: ['hosts'],
  additionalProperties: false,
};
const validate = lazy(() => validators(namedSchemas())({ schema }));

function faultsOf(content: unknown): Place[] {
  const judged = validate()(content);
  if (judged !== true) return [...judged.error.places];
  const { hosts } = content as { readonly hosts: Readonly<Record<string, HostDescriptor>> };
  return Object.entries(hosts).flatMap(([name, host]) => {
    const at = member('/hosts', name);
    if (host.profile !== undefined) return [{ pointer: `${at}/profile`, detail: 'a profile rests on no other' }];
    const vfio = Object.keys(host.devices ?? {}).map((id) => ({ id }));
    const faults = check({ vm: { memory: 1, vfio }, source: host });
    return faults.map(({ pointer, detail }) => ({ pointer: at + pointer.slice('/source'.length), detail }));
  });
}

/** Facts of a host, and which of them a profile says. */
export interface ProfiledHost {
  readonly host: unknown;
  readonly site: readonly Pointer[];
}

/**
 * `own` facts of the host at `pointer` over those of `profile`, which knows the devices `vfio` of the VM by id, by address
 * or as any other.
 */
export function withProfile(
  own: Readonly<Record<string, unknown>>,
  profile: HostDescriptor,
  pointer: Pointer,
  vfio: readonly unknown[],
): ProfiledHost {
  const site: Pointer[] = [];
  const { devices: listed = {}, ...facts } = profile;
  const devices = Object.fromEntries(vfio.flatMap((device, index) => ofDevice(listed, device, index)));
  const below = Object.keys(devices).length > 0 ? { ...facts, devices } : facts;
  return { host: beneath(below, own, pointer, site), site };
}

function ofDevice(
  listed: Readonly<Record<string, HostDeviceDescriptor>>,
  device: unknown,
  index: number,
): (readonly [string, HostDeviceDescriptor])[] {
  if (!isObject(device)) return [];
  const id = deviceId(device, index);
  const name = [id, device['host'], '*'].find((each) => typeof each === 'string' && Object.hasOwn(listed, each));
  const facts = typeof name === 'string' ? listed[name] : undefined;
  return facts ? [[id, facts]] : [];
}

/** `own` over `below`; notes the place of everything that is from below alone. */
export function beneath(below: unknown, own: unknown, at: Pointer, site: Pointer[]): unknown {
  if (own === undefined) {
    site.push(at);
    if (isObject(below))
      for (const [key, value] of Object.entries(below)) beneath(value, undefined, member(at, key), site);
    return below;
  }
  if (!isObject(below) || !isObject(own)) return own;
  const members = new Map(Object.entries(own));
  for (const [key, value] of Object.entries(below)) {
    const said = Object.hasOwn(own, key) ? own[key] : undefined;
    members.set(key, beneath(value, said, member(at, key), site));
  }
  return Object.fromEntries(members);
}

/** The longest name of a profile that a request may give; the nearest to a longer one would take its time. */
const NAME_MAX = 256;

/** What to say of a profile that there is none of. */
export function noProfile(name: unknown, profiles: HostProfiles): string {
  const known = [...profiles.keys()];
  if (known.length === 0) return 'no host profiles are configured';
  const nearest =
    typeof name === 'string' && name.length <= NAME_MAX ? `; the nearest is "${closest(name, known)}"` : '';
  return `no host profile of this name; there are ${known.map((each) => `"${each}"`).join(', ')}${nearest}`;
}
