/** How the cases of one kind of file are replayed. */
export interface Format {
  /** The file's name without `.json` or `.json.gz`; where {@link matches} decides, what the files have in common. */
  readonly file: string;
  /** Whether a file of any other name is of this kind, by its content. */
  readonly matches?: (content: unknown) => boolean;
  /** Yields one verdict a case: `true` passed; a string says why it failed; `{ skipped }` says why it cannot be replayed. */
  readonly replay: (content: unknown) => Iterable<true | string | { readonly skipped: string }>;
}
