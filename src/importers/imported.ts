import type { Descriptor } from '../descriptor/schema.ts';
import type { ImportFault } from './import-error.ts';

/** What a document in another format says. */
export interface Imported {
  /** What it knows of the host is under `source`, mostly nothing. */
  readonly descriptor: Descriptor;
  /** What it holds that is not read and may matter: a sentence each, for `scope.notChecked` of an answer. */
  readonly notes: readonly string[];
  /**
   * Where fields of the descriptor came from, by JSON Pointer: each tells of all that is below it for which there is no
   * longer one.
   */
  readonly origins?: Readonly<Record<string, string>>;
}

/** A VM of a document that may hold several: where it begins, and what it says, which is read when that is asked for. */
export interface Found {
  readonly place: Omit<ImportFault, 'detail'>;
  readonly read: () => Imported;
}

/** Those of `fields` that have a value. */
export const given = <T extends object>(fields: T): T =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as T;
