import type { FastifyRequest } from 'fastify';
import type { Pointer } from '../descriptor/pointer.ts';
import { beneath, type HostProfiles, type ProfiledHost, withProfile } from './host-profiles.ts';
import type { Item } from './item.ts';
import { isObject } from '../descriptor/json-object.ts';
import type { Site } from './policies.ts';

/** `item` under what `site` says: to be judged by its policy, with its facts beneath what the item says. */
export function underSite(item: Item, { policy, defaults }: Site): Item {
  return policy ? withDefaults({ ...item, policy }, defaults) : item;
}

/** The host profiles that a request may name: those of `site`, and the `configured` ones that it has no other of. */
export const profilesUnder = ({ defaults: { hosts } }: Site, configured: HostProfiles): HostProfiles =>
  hosts === undefined ? configured : joined(hosts, configured);

const joined = (hosts: NonNullable<Site['defaults']['hosts']>, configured: HostProfiles): HostProfiles => {
  const known = kept.get(hosts) ?? new Map([...configured, ...Object.entries(hosts)]);
  kept.set(hosts, known);
  return known;
};

/** A process has one set of configured profiles. */
const kept = new WeakMap<object, HostProfiles>();

/** `item` with what `defaults` say beneath what it says; of a destination, if it names one. */
function withDefaults(item: Item, { source, destination, migration }: Site['defaults']): Item {
  const { descriptor } = item;
  if (!isObject(descriptor)) return item;
  const site: Pointer[] = [];
  const said: Record<string, unknown> = {};
  const vm = descriptor['vm'];
  const vfio: unknown = isObject(vm) ? vm['vfio'] : undefined;
  for (const [side, facts] of [
    ['source', source],
    ['destination', destination],
  ] as const) {
    const own = descriptor[side] ?? (side === 'source' ? {} : undefined);
    if (facts === undefined || !isObject(own)) continue;
    const known = withProfile(own, facts, `/${side}`, Array.isArray(vfio) ? vfio : []);
    said[side] = known.host;
    site.push(...known.site);
  }
  if (migration !== undefined) said['migration'] = beneath(migration, descriptor['migration'], '/migration', site);
  // Devices of a host may be known by their address there, which is a name: whether by this one or by another's.
  const isVerbatim = item.isVerbatim && source?.devices === undefined && destination?.devices === undefined;
  if (site.length === 0) return { ...item, isVerbatim };
  return {
    ...item,
    descriptor: { ...descriptor, ...said },
    isVerbatim,
    site: new Set([...item.site, ...site]),
    defaults: new Set(site),
    origins: () => new Map([...item.origins(), ...site.map((pointer) => [pointer, 'site policy'] as const)]),
  };
}

/** Puts the item in the body of `request` under what `site` says. */
export function putUnder(request: FastifyRequest, site: Site): void {
  if (request.item === null) return;
  request.item = underSite(request.item, site);
  request.body = request.item.descriptor;
}

/** Facts of a candidate for the destination of the VM with devices `vfio`, over what `site` says of destinations. */
export const candidateUnder = (
  host: Readonly<Record<string, unknown>>,
  vfio: readonly unknown[],
  site: Site,
): ProfiledHost =>
  site.defaults.destination === undefined
    ? { host, site: [] }
    : withProfile(host, site.defaults.destination, '/destination', vfio);
