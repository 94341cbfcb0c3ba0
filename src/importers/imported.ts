import type { Descriptor } from '../descriptor/schema.ts';

/** What a document in another format says. */
export interface Imported {
  /** What it knows of the host is under `source`, mostly nothing. */
  readonly descriptor: Descriptor;
  /** What it holds that is not read and may matter: a sentence each, for `scope.notChecked` of an answer. */
  readonly notes: readonly string[];
}

/** Those of `fields` that have a value. */
export const given = <T extends object>(fields: T): T =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as T;
