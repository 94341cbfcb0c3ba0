/** How the cases of one kind of file are replayed. */
export interface Format {
  /** The file's name without `.json` or `.json.gz`. */
  readonly file: string;
  /** Yields one verdict a case: `true` passed; a string says why it failed; `{ skipped }` says why it cannot be replayed. */
  readonly replay: (content: unknown) => Iterable<true | string | { readonly skipped: string }>;
}
