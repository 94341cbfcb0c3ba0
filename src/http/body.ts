import { parseTree, printParseErrorCode, type ParseError } from 'jsonc-parser';
import { DEPTH_MAX, isTooDeep } from '../descriptor/depth.ts';
import { type Format, sniffFormat } from '../importers/index.ts';
import { isEnvelope, openEnvelope } from './envelope.ts';
import { type Count, type Item, importing, NO_SITE, plainItem, withOrigin } from './item.ts';
import { isObject } from '../descriptor/json-object.ts';
import { emptyBody, type Place, Problem } from './problems.ts';
import type { Validate } from './validation.ts';

/** Reads what is sent, in whatever format. */
export class Reader {
  readonly #validateEnvelope: Validate;

  /** `validateEnvelope` judges the members that an envelope has beside those of a descriptor. */
  constructor(validateEnvelope: Validate) {
    this.#validateEnvelope = validateEnvelope;
  }

  /**
   * The VMs that `text` describes, as they were sent. `contentType` decides the format where it names one; what curl
   * sends by default, and anything else, is told by how it begins.
   * @throws Problem naming the place of what is wrong.
   */
  items(text: string, contentType: string, count: Count): readonly Item[] {
    // What most lines of a batch begin with; of what else does nothing less can be told.
    if (contentType === '' && text.startsWith('{')) return this.itemsIn(readJson(text), count);
    const body = text.replace(/^\uFEFF/, '');
    if (body.trim() === '') throw emptyBody();
    const format = formatOf(body, contentType);
    if (format === 'descriptor') return this.itemsIn(readJson(body), count);
    if (format !== undefined) return imported(body, format, count);
    const sent = contentType || 'no type at all';
    throw new Problem('unsupported-media-type', `neither JSON, XML, YAML nor a QEMU command line, and sent as ${sent}`);
  }

  /**
   * The VMs that `json` describes: a descriptor, an envelope, an object of KubeVirt, the arguments of a QEMU command, or
   * the text of a document.
   * @throws Problem naming the place of what is wrong.
   */
  itemsIn(json: unknown, count: Count): readonly Item[] {
    if (isObject(json)) {
      const isKubernetes = Object.hasOwn(json, 'apiVersion');
      if (!isKubernetes && !isEnvelope(json)) return [plainItem(json)];
      if (isTooDeep(json)) throw new Problem('malformed-json', `nested more than ${DEPTH_MAX} deep`);
      if (isKubernetes) return imported(JSON.stringify(json), 'kubevirt', count);
      const valid = this.#validateEnvelope(json);
      if (valid !== true) throw valid.error;
      return openEnvelope(json, count);
    }
    const text = typeof json === 'string' ? json : isListOfStrings(json) ? JSON.stringify(json) : '';
    const format = sniffFormat(text);
    return format === undefined || format === 'descriptor' ? [plainItem(json)] : imported(text, format, count);
  }
}

const isListOfStrings = (json: unknown): boolean =>
  Array.isArray(json) && json.every((each) => typeof each === 'string');

function imported(text: string, format: Format, count: Count): readonly Item[] {
  return importing(text, format, count).map(({ descriptor, notes, origins = {} }) => {
    const places = new Map(Object.entries(origins));
    return {
      format,
      descriptor,
      isVerbatim: false,
      notes,
      origins: () => places,
      site: NO_SITE,
      place: (place) => withOrigin(place, places),
    };
  });
}

/** Media types that leave no choice; what a KubeVirt object is in JSON only its `apiVersion` tells. */
function formatOf(text: string, contentType: string): Format | undefined {
  const type = contentType.split(';', 1)[0]?.trim().toLowerCase() ?? '';
  if (/^application\/json$|\+json$/.test(type)) {
    return text.trimStart().startsWith('{') ? sniffFormat(text) : 'descriptor';
  }
  if (/^(?:application|text)\/xml$|\+xml$/.test(type)) return 'libvirt-xml';
  if (/^(?:application|text)\/(?:x-)?yaml$|\+yaml$/.test(type)) return 'kubevirt';
  if (type === 'text/x-qemu-argv') return 'qemu-argv';
  const format = sniffFormat(text);
  // What else begins with a quote is a document as a JSON string.
  return text.trimStart().startsWith('"') && format !== 'qemu-argv' ? 'descriptor' : format;
}

/** Whether a body that is sent as `contentType` is read as a descriptor if it begins like one. */
export const mayBeDescriptor = (contentType: string): boolean =>
  contentType === '' || contentType === 'application/json' || formatOf('{}', contentType) === 'descriptor';

/** @throws Problem naming line and column of what is wrong. */
export function readJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new Problem('malformed-json', (error as Error).message, [placeOfJsonError(text)]);
  }
}

/** V8's message does not always say where; a tolerant parser does. Asked only once parsing has failed. */
function placeOfJsonError(text: string): Place {
  const errors: ParseError[] = [];
  try {
    parseTree(text, errors, { disallowComments: true });
  } catch {
    return { detail: 'nested too deeply to say where' };
  }
  const [first] = errors;
  if (!first) return { detail: 'not JSON' };
  const before = text.slice(0, first.offset);
  const line = before.split('\n').length;
  const detail = printParseErrorCode(first.error).replaceAll(/\B[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
  return { line, column: first.offset - before.lastIndexOf('\n'), detail };
}
