import { DEPTH_MAX, isTooDeep } from '../descriptor/depth.ts';
import { refuse } from './import-error.ts';
import type { Imported } from './imported.ts';

/** The descriptor that `text` is, or those of an array; whether they are valid is not looked at. */
export function importDescriptors(text: string): readonly Imported[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    return refuse({}, `not JSON: ${(error as Error).message.slice(0, 200)}`);
  }
  const list: readonly unknown[] = Array.isArray(parsed) ? parsed : [parsed];
  return list.map((each) => {
    if (typeof each !== 'object' || each === null) return refuse({}, 'not a JSON object');
    if (isTooDeep(each)) return refuse({}, `nested more than ${DEPTH_MAX} deep`);
    return { descriptor: each as Imported['descriptor'], notes: [] };
  });
}
