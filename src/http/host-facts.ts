import type { FastifyRequest } from 'fastify';
import type { Pointer } from '../descriptor/pointer.ts';
import { NAME_MAX } from '../descriptor/schema.ts';
import { parseVersion } from '../platform/version.ts';
import { type HostProfiles, noProfile, type ProfiledHost, withProfile } from './host-profiles.ts';
import { type Item, NO_SITE } from './item.ts';
import { isObject } from '../descriptor/json-object.ts';
import type { Site } from './policies.ts';
import { emptyBody, invalidRequest, type Place } from './problems.ts';
import { ref } from './schemas.ts';
import { candidateUnder } from './site-defaults.ts';

/** Facts of the source that a format may lack, as query parameters. */
const FACTS = ['qemu', 'kernel', 'libvirt'] as const;

const SIDES = ['source', 'destination'] as const;

/** What the query of a request says of the hosts of every VM in it. */
export type HostQuery = { readonly [Name in (typeof FACTS)[number] | (typeof SIDES)[number]]?: string };

/** A description beside a `$ref` would be lost in the document. */
const versionOf = (what: string): object => ({
  allOf: [ref('Version')],
  description: `Version of ${what} on the source, where the body does not say it.`,
});

const profileOf = (side: string): object => ({
  type: 'string',
  minLength: 1,
  maxLength: NAME_MAX,
  description: `Host profile of the ${side}, where the body names none; what the body says of it wins.`,
});

/** The query parameters of {@link HostQuery}. */
export const hostParameters = {
  qemu: versionOf('QEMU'),
  kernel: versionOf('Linux'),
  libvirt: versionOf('libvirt'),
  source: profileOf('source'),
  destination: profileOf('destination'),
};

/**
 * `item` with what `query` and host profiles say of its hosts.
 * @throws Problem where there is no such profile, or the item says otherwise than the query.
 */
export function withHosts(item: Item, query: HostQuery, profiles: HostProfiles): Item {
  const { descriptor } = item;
  if (!isObject(descriptor) || (isEmpty(query) && !SIDES.some((side) => namesProfile(descriptor[side])))) return item;
  const faults: Place[] = [];
  const site: Pointer[] = [];
  const hosts = SIDES.flatMap((side) => {
    const known = profiledHost(descriptor, side, query, profiles);
    if (known === null) return [];
    if ('fault' in known) {
      faults.push(known.fault);
      return [];
    }
    site.push(...known.site);
    return [[side, known.host] as const];
  });
  const told = FACTS.filter((name) => query[name] !== undefined);
  const { source = {} } = descriptor;
  faults.push(...told.flatMap((name) => faultOf(name, query[name], source)));
  if (faults.length > 0) throw invalidRequest(faults);
  if (hosts.length === 0 && told.length === 0) return item;
  const merged: Record<string, unknown> = { ...descriptor, ...Object.fromEntries(hosts) };
  const below = merged['source'] ?? {};
  if (told.length > 0 && isObject(below)) {
    merged['source'] = { ...below, ...Object.fromEntries(told.map((name) => [name, query[name]])) };
  }
  const asked = told.map((name) => [`/source/${name}`, `query parameter ${name}`] as const);
  const given = new Set<Pointer>(asked.map(([pointer]) => pointer));
  return {
    ...item,
    descriptor: merged,
    isVerbatim: item.isVerbatim && hosts.length === 0,
    site: new Set(site.filter((pointer) => !given.has(pointer))),
    origins: () => new Map([...item.origins(), ...site.map((pointer) => [pointer, 'host profile'] as const), ...asked]),
  };
}

const isEmpty = (query: HostQuery): boolean =>
  [...FACTS, ...SIDES].every((parameter) => query[parameter] === undefined);

const namesProfile = (host: unknown): boolean => isObject(host) && host['profile'] !== undefined;

/** Puts into the body of `request`, which there must be, what {@link withHosts} does. */
export function addHosts(request: FastifyRequest, query: HostQuery, profiles: HostProfiles): void {
  if (request.item === null) throw emptyBody();
  request.item = withHosts(request.item, query, profiles);
  request.body = request.item.descriptor;
}

type Profiled = ProfiledHost | { readonly fault: Place };

const own = (host: unknown): Readonly<Record<string, unknown>> => (isObject(host) ? host : {});

/** The host on `side`, if it or the query names a profile. */
function profiledHost(
  descriptor: Readonly<Record<string, unknown>>,
  side: (typeof SIDES)[number],
  query: HostQuery,
  profiles: HostProfiles,
): Profiled | null {
  const host = descriptor[side];
  if (host !== undefined && !isObject(host)) return null;
  const named = own(host)['profile'];
  if (named === undefined && query[side] === undefined) return null;
  const place = named === undefined ? { parameter: side } : { pointer: `/${side}/profile` };
  return profiled(own(host), named ?? query[side], place, `/${side}`, descriptor['vm'], profiles);
}

function profiled(
  host: Readonly<Record<string, unknown>>,
  name: unknown,
  place: Omit<Place, 'detail'>,
  at: Pointer,
  vm: unknown,
  profiles: HostProfiles,
): Profiled {
  const profile = typeof name === 'string' ? profiles.get(name) : undefined;
  if (profile === undefined) return { fault: { ...place, detail: noProfile(name, profiles) } };
  const { profile: _, ...facts } = host;
  return withProfile(facts, profile, at, vfioOf(vm));
}

function vfioOf(vm: unknown): readonly unknown[] {
  const { vfio } = own(vm);
  return Array.isArray(vfio) ? vfio : [];
}

/** Candidates for the destination of a VM with what host profiles and `site` say of them; nothing is said of what is no list. */
export function withCandidates(
  body: Readonly<Record<string, unknown>>,
  profiles: HostProfiles,
  site: Site,
): { readonly candidates: unknown; readonly sites: readonly ReadonlySet<Pointer>[] } {
  const { candidates, vm } = body;
  if (!Array.isArray(candidates)) return { candidates, sites: [] };
  const faults: Place[] = [];
  const sites: ReadonlySet<Pointer>[] = [];
  const listed = candidates.map((candidate: unknown, index) => {
    sites.push(NO_SITE);
    const host = isObject(candidate) ? candidate['host'] : undefined;
    if (!isObject(host)) return candidate;
    const place = { pointer: `/candidates/${index}/host/profile` };
    const isProfiled = host['profile'] !== undefined;
    const known = isProfiled
      ? profiled(host, host['profile'], place, '/destination', vm, profiles)
      : { host, site: [] };
    if ('fault' in known) {
      faults.push(known.fault);
      return candidate;
    }
    const whole = candidateUnder(own(known.host), vfioOf(vm), site);
    if (!isProfiled && whole.site.length === 0) return candidate;
    sites[index] = new Set([...known.site, ...whole.site]);
    return { ...own(candidate), host: whole.host };
  });
  if (faults.length > 0) throw invalidRequest(faults);
  return { candidates: listed, sites };
}

function faultOf(name: (typeof FACTS)[number], text: unknown, source: unknown): Place[] {
  if (typeof text !== 'string' || parseVersion(text) === null) {
    return [{ parameter: name, detail: 'must be one version such as "10.2.2"' }];
  }
  const said = own(source)[name];
  return said === undefined || said === text
    ? []
    : [{ parameter: name, detail: `the body says otherwise at /source/${name}` }];
}
