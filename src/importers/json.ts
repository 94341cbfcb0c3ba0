import { DEPTH_MAX, isTooDeep } from '../descriptor/depth.ts';
import { refuse } from './import-error.ts';
import type { Found, Imported } from './imported.ts';

/** The descriptor that `text` is, or those of an array; whether they are valid is not looked at. */
export function findDescriptors(text: string): readonly Found[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    return refuse({}, `not JSON: ${(error as Error).message.slice(0, 200)}`);
  }
  const list: readonly unknown[] = Array.isArray(parsed) ? parsed : [parsed];
  return list.map((each) => ({ place: {}, read: () => importDescriptor(each) }));
}

function importDescriptor(json: unknown): Imported {
  if (typeof json !== 'object' || json === null) return refuse({}, 'not a JSON object');
  if (isTooDeep(json)) return refuse({}, `nested more than ${DEPTH_MAX} deep`);
  return { descriptor: json as Imported['descriptor'], notes: [] };
}
