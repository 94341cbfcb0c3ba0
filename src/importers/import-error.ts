/** What keeps a document from being imported, and where, if it has lines: `line` and `column` count from 1. */
export interface ImportFault {
  readonly line?: number;
  readonly column?: number;
  readonly detail: string;
}

/** A document that cannot be imported, with all of its faults in the order of the text. */
export class ImportError extends Error {
  override readonly name = 'ImportError';
  readonly faults: readonly ImportFault[];

  constructor(faults: readonly ImportFault[]) {
    super(faults.map(({ line, detail }) => (line === undefined ? detail : `line ${line}: ${detail}`)).join('\n'));
    this.faults = faults;
  }
}

/** Stops the import with the one fault at `place`. */
export const refuse = (place: Omit<ImportFault, 'detail'>, detail: string): never => {
  throw new ImportError([{ ...place, detail }]);
};
