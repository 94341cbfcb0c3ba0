import { parseTree, printParseErrorCode, type ParseError } from 'jsonc-parser';
import { ImportError } from '../importers/import-error.ts';
import { importLibvirtXml } from '../importers/libvirt-xml.ts';
import { emptyBody, type Place, Problem } from './problems.ts';

/** A body as a descriptor, not validated yet, and what its format says that no rule reads. */
export interface ReadBody {
  readonly descriptor: unknown;
  readonly notes: readonly string[];
}

/**
 * The descriptor in `body`. `contentType` decides the format where it names one; what curl sends by default, and
 * anything else, is told by its first character.
 * @throws Problem naming line and column of what is wrong.
 */
export function readBody(body: string, contentType: string): ReadBody {
  const text = body.replace(/^\uFEFF/, '');
  if (text.trim() === '') throw emptyBody();
  switch (formatOf(text, contentType)) {
    case 'json':
      return { descriptor: readJson(text), notes: [] };
    case 'libvirt-xml':
      return readXml(text);
    case null:
      throw new Problem(
        'unsupported-media-type',
        `neither JSON nor XML, and sent as ${contentType || 'no type at all'}`,
      );
  }
}

function formatOf(text: string, contentType: string): 'json' | 'libvirt-xml' | null {
  const type = contentType.split(';', 1)[0]?.trim().toLowerCase() ?? '';
  if (type === 'application/json' || type.endsWith('+json')) return 'json';
  if (type === 'application/xml' || type === 'text/xml' || type.endsWith('+xml')) return 'libvirt-xml';
  const first = text.trimStart()[0];
  return first === '<' ? 'libvirt-xml' : first === '{' || first === '[' ? 'json' : null;
}

function readJson(text: string): unknown {
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

function readXml(text: string): ReadBody {
  try {
    return importLibvirtXml(text);
  } catch (error) {
    if (!(error instanceof ImportError)) throw error;
    const [first] = error.faults;
    throw new Problem('malformed-xml', first ? `line ${first.line}: ${first.detail}` : error.message, error.faults);
  }
}
