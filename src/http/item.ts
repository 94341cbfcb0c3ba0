import type { Pointer } from '../descriptor/pointer.ts';
import { ImportError } from '../importers/import-error.ts';
import type { Imported } from '../importers/imported.ts';
import { type Format, importDocument, importDocuments } from '../importers/index.ts';
import type { SitePolicy } from '../policy/site-policy.ts';
import { nearest } from './overlay.ts';
import { invalidRequest, type Place, Problem, type ProblemType } from './problems.ts';

/** A VM as it was sent: a descriptor that is not validated yet, and how it came about. */
export interface Item {
  readonly format: Format;
  readonly descriptor: unknown;
  /** Whether the descriptor is what was sent, and nothing in it depends on what a device is called. */
  readonly isVerbatim: boolean;
  /** What was seen and no rule reads, a sentence each. */
  readonly notes: readonly string[];
  /** Where members of the descriptor came from, as a human would say it; each tells of all below that is not listed. */
  readonly origins: () => ReadonlyMap<Pointer, string>;
  /** Members that a host profile says, or the site's policy. */
  readonly site: ReadonlySet<Pointer>;
  /** Of those, what the policy says. */
  readonly defaults?: ReadonlySet<Pointer>;
  /** The site's policy, by which it is judged. */
  readonly policy?: SitePolicy;
  /** What is wrong with the descriptor, as a place in what was sent. */
  readonly place: (place: Place) => Place;
}

const NO_ORIGINS: ReadonlyMap<Pointer, string> = new Map();
export const NO_SITE: ReadonlySet<Pointer> = new Set();

/** A descriptor that was sent as it is. */
export const plainItem = (descriptor: unknown): Item => ({
  format: 'descriptor',
  descriptor,
  isVerbatim: true,
  notes: [],
  origins: () => NO_ORIGINS,
  site: NO_SITE,
  place: (place) => place,
});

const malformed: Readonly<Record<Format, ProblemType>> = {
  descriptor: 'malformed-json',
  kubevirt: 'malformed-kubevirt',
  'libvirt-xml': 'malformed-xml',
  'qemu-argv': 'malformed-argv',
};

/** How many VMs a document may describe. */
export type Count = 'one' | 'any';

/**
 * The VMs in a document of `format`; `pointer` says where in the body it stands, if it is not the body.
 * @throws Problem naming line or argument of what is wrong, and the pointer.
 */
export function importing(text: string, format: Format, count: Count, pointer?: Pointer): readonly Imported[] {
  try {
    return count === 'one' ? [importDocument(format, text)] : importDocuments(format, text);
  } catch (error) {
    if (!(error instanceof ImportError)) throw error;
    const places = error.faults.map((fault) => ({ ...(pointer !== undefined && { pointer }), ...fault }));
    const [first = ''] = error.message.split('\n', 1);
    throw new Problem(malformed[format], pointer === undefined ? first : `${pointer}: ${first}`, places);
  }
}

/** `error` about the descriptor of `item`, in the places of what that was read from. */
export const inItem = <T>(error: T, item: Item): T | Problem =>
  error instanceof Problem && error.type === 'invalid-request' ? invalidRequest(error.places.map(item.place)) : error;

/** `place`, which names a member of the descriptor, with where in the document that came from. */
export function withOrigin(place: Place, origins: ReadonlyMap<Pointer, string>): Place {
  const origin = place.pointer === undefined ? null : nearest(origins, place.pointer);
  return origin ? { ...place, detail: `${place.detail} (${origin.found})` } : place;
}
