import { isDeepStrictEqual } from 'node:util';
import * as z from 'zod';
import { member, type Pointer, valueAt, withValues } from '../descriptor/pointer.ts';
import { descriptor, vm } from '../descriptor/schema.ts';
import { canonicalForm } from '../evaluation/canonical.ts';
import type { Imported } from '../importers/imported.ts';
import { type Format, formats, sniffFormat } from '../importers/index.ts';
import { ANSWERS_MAX, type QmpAnswer, qmpAnswer, type QmpFact, readQmp } from '../importers/qmp.ts';
import { parseVersion } from '../platform/version.ts';
import { type Count, importing, type Item, NO_SITE, withOrigin } from './item.ts';
import { nearest, overlay, type Overlaid } from './overlay.ts';
import { invalidRequest, type Place, Problem } from './problems.ts';

/** A document in any format, and what it lacks. */

const importRequest = z
  .strictObject({
    format: z
      .enum(formats as [Format, ...Format[]])
      .optional()
      .describe('Default: what the document looks like.'),
    document: z
      .union([z.string().min(1), z.record(z.string(), z.unknown()), z.array(z.unknown())])
      .describe('The text; of JSON also the object or list itself.'),
  })
  .meta({ id: 'Import' });

const shape = descriptor.shape;
const partialItem = <Member extends z.ZodObject>(list: z.ZodOptional<z.ZodArray<Member>>) =>
  z.array(list.unwrap().element.partial()).optional();

const vmOverlay = vm
  .partial()
  .extend({
    viommu: vm.shape.viommu.unwrap().unwrap().partial().nullable().optional(),
    otherDevices: partialItem(vm.shape.otherDevices),
    disks: partialItem(vm.shape.disks),
  })
  .meta({ id: 'VmOverlay', description: 'Members of a VM that are laid over those of the document.' });

export const envelope = z
  .strictObject({
    ref: shape.ref,
    import: importRequest,
    qmp: z.array(qmpAnswer).max(ANSWERS_MAX).optional().describe('What the running QEMU answered to QMP.'),
    state: shape.state,
    closed: shape.closed,
    vm: vmOverlay.optional(),
    source: shape.source.optional(),
    destination: shape.destination,
    migration: shape.migration,
  })
  .meta({
    id: 'Envelope',
    description:
      'A document in any format, and beside it what it lacks: members of a descriptor that are laid over what the document ' +
      'says, one by one, and win. A list replaces the one below, unless its items are devices with an `id`, or disks with a ' +
      '`node`: then each is laid over the one called so. What QEMU answered to QMP wins over the document, and must not ' +
      'differ from what else the envelope says. `qmp` may also stand in a descriptor, without `import`.',
  });

type Members = Readonly<Record<string, unknown>>;

/** Whether `item` is no plain descriptor. */
export const isEnvelope = (item: Members): boolean => Object.hasOwn(item, 'import') || Object.hasOwn(item, 'qmp');

/** What {@link openEnvelope} must know to be valid: its overlay is validated as part of the descriptor that comes of it. */
export const envelopeParts = {
  type: 'object',
  properties: {
    import: { $ref: 'Import#' },
    qmp: { type: 'array', items: { $ref: 'QmpAnswer#' }, maxItems: ANSWERS_MAX },
  },
};

/**
 * The VMs in `sent`, one for each that its document describes. `sent` is an object that {@link envelopeParts} takes.
 * @throws Problem naming the place in the envelope, and in the document.
 */
export function openEnvelope(sent: Members, count: Count): Item[] {
  const { import: request, qmp = [], ...over } = sent as Members & Partial<Pick<Envelope, 'import' | 'qmp'>>;
  if (request === undefined) return [layered(NO_DOCUMENT, 'descriptor', over, qmp)];
  const isText = typeof request.document === 'string';
  // A value a line: what an importer tells by its line is found again.
  const text = isText ? (request.document as string) : JSON.stringify(request.document, null, 1);
  const format = request.format ?? sniffFormat(text);
  if (format === undefined) {
    const detail = `looks like none of ${formats.join(', ')}; say in /import/format which it is`;
    throw invalidRequest([{ pointer: DOCUMENT, detail }]);
  }
  const documents = isText
    ? importing(text, format, count, DOCUMENT)
    : importingValue(request.document, () => importing(text, format, count));
  return documents.map((document) => layered(document, format, over, qmp));
}

/** What `read` makes of a document that was sent as a value: lines of its text become pointers into the envelope. */
function importingValue(document: unknown, read: () => readonly Imported[]): readonly Imported[] {
  const pointers = linesOf(document, DOCUMENT);
  const pointerAt = (line: number): Pointer => pointers[line - 1] ?? DOCUMENT;
  try {
    return read().map(({ origins = {}, ...imported }) => {
      const located = Object.entries(origins).map(([pointer, origin]) => [
        pointer,
        origin.replace(/^line (\d+)/, (_, line: string) => pointerAt(Number(line))),
      ]);
      return { ...imported, origins: Object.fromEntries(located) };
    });
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    const places = error.places.map(({ line, detail }) => ({
      pointer: line === undefined ? DOCUMENT : pointerAt(line),
      detail,
    }));
    const [{ pointer, detail } = { pointer: DOCUMENT, detail: error.message }] = places;
    throw new Problem(error.type, `${pointer}: ${detail}`, places);
  }
}

/** Pointers to what stands in each line of `value` as JSON with a value a line; it stands at `pointer` itself. */
function linesOf(value: unknown, pointer: Pointer): Pointer[] {
  const members = typeof value === 'object' && value !== null ? Object.entries(value) : [];
  if (members.length === 0) return [pointer];
  return [pointer, ...members.flatMap(([key, each]) => linesOf(each, member(pointer, key))), pointer];
}

export type Envelope = z.infer<typeof envelope>;

type Document = Omit<Imported, 'descriptor'> & { readonly descriptor: unknown };

/** A descriptor of nothing, for answers of QMP beside a plain descriptor. */
const NO_DOCUMENT = { descriptor: {}, notes: [] } as const;

const DOCUMENT = '/import/document';

/** `over`, and what QEMU told, laid over `document`. */
function layered(document: Document, format: Format, over: Members, answers: readonly QmpAnswer[]): Item {
  const laid = overlay(document.descriptor, over);
  const { facts, notes, faults } = readQmp(answers, valueAt(laid.value, '/vm'), '/qmp');
  // Of two answers to the same question the later counts.
  const told = new Map(facts.map((fact) => [fact.pointer, fact]));
  const live = [...told.values()].filter(
    ({ pointer }) => givenAt(laid, pointer) === null && isOpen(laid.value, pointer),
  );
  const denied = [...told.values()].flatMap((fact) => denial(fact, laid));
  if (laid.faults.length + faults.length + denied.length > 0)
    throw invalidRequest([...laid.faults, ...faults, ...denied]);
  const outdated = live.filter(({ pointer, to }) => !isSame(valueAt(laid.value, pointer) ?? to, to, pointer));
  const value = withValues(laid.value, live);
  const layers: Layers = { document, over: laid.from, live: new Map(live.map(({ pointer, at }) => [pointer, at])) };
  return {
    format,
    descriptor: value,
    isVerbatim: false,
    notes: [
      ...document.notes,
      ...notes,
      ...outdated.map(
        ({ pointer, at }) => `The document says otherwise of ${pointer} than QEMU at ${at}: QEMU’s word counts.`,
      ),
    ],
    origins: () => originsOf(layers),
    site: NO_SITE,
    place: (place) => placeIn(layers, value, place),
  };
}

/** Where the overlay gives what is at `pointer`. */
function givenAt({ value, from }: Overlaid, pointer: Pointer): Pointer | null {
  const own = nearest(from, pointer);
  return own && valueAt(value, pointer) !== undefined ? `${own.found}${own.rest}` : null;
}

/** Whether something may be put to `pointer`: what it lies in is no scalar, which is for the schema to refuse. */
function isOpen(value: unknown, pointer: Pointer): boolean {
  const parent = pointer.slice(0, pointer.lastIndexOf('/'));
  const above = valueAt(value, parent);
  return above === undefined ? parent === '' || isOpen(value, parent) : typeof above === 'object' && above !== null;
}

function denial({ pointer, to, at }: QmpFact, laid: Overlaid): Place[] {
  const own = givenAt(laid, pointer);
  if (own === null || isSame(valueAt(laid.value, pointer), to, pointer)) return [];
  return [{ pointer: own, detail: `QEMU says otherwise at ${at}` }];
}

/** Distributions write more into a version than QEMU tells of it. */
function isSame(given: unknown, told: unknown, pointer: Pointer): boolean {
  if (pointer !== '/source/qemu') return canonicalForm(given) === canonicalForm(told);
  const [one, other] = [given, told].map((version) =>
    typeof version === 'string' || typeof version === 'number' ? parseVersion(version) : null,
  );
  return isDeepStrictEqual(one, other);
}

/** What a descriptor was laid together from: a document, and pointers to what is said beside it. */
interface Layers {
  readonly document: Document;
  readonly over: ReadonlyMap<Pointer, Pointer>;
  readonly live: ReadonlyMap<Pointer, Pointer>;
}

function originsOf({ document, over, live }: Layers): Map<Pointer, string> {
  const said = [...over].map(([pointer, at]) => [pointer, `given at ${at}`] as const);
  const told = [...live].map(([pointer, at]) => [pointer, `QEMU’s answer at ${at}`] as const);
  const replaced = (pointer: Pointer): boolean => nearest(over, pointer) !== null;
  const kept = Object.entries(document.origins ?? {}).filter(([pointer]) => !replaced(pointer));
  return new Map([...kept, ...said, ...told]);
}

/** What is missing stands nowhere: it belongs into the overlay. */
function placeIn(layers: Layers, value: unknown, place: Place): Place {
  const { pointer } = place;
  if (pointer === undefined) return place;
  const told = nearest(layers.live, pointer);
  if (told) return { ...place, pointer: told.found };
  const own = nearest(layers.over, pointer);
  if (own) return { ...place, pointer: `${own.found}${own.rest}` };
  if (valueAt(value, pointer) === undefined) return place;
  const { detail } = withOrigin(place, originsOf(layers));
  return { ...place, pointer: DOCUMENT, detail: `${pointer}: ${detail}` };
}
