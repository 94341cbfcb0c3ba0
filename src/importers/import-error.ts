/** What keeps a document from being imported, and where: `line` and `column` count from 1. */
export interface ImportFault {
  readonly line: number;
  readonly column?: number;
  readonly detail: string;
}

/** A document that cannot be imported, with all of its faults in the order of the text. */
export class ImportError extends Error {
  override readonly name = 'ImportError';
  readonly faults: readonly ImportFault[];

  constructor(faults: readonly ImportFault[]) {
    super(faults.map(({ line, detail }) => `line ${line}: ${detail}`).join('\n'));
    this.faults = faults;
  }
}
