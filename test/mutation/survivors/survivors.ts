/** Mutants that live, and why no test tells them from the source. */
export interface Survivors {
  readonly why: string;
  /** As MUTATION.md lists them: the file in src/, Stryker's mutator, what stood there and what stands there instead. */
  readonly changes: readonly string[];
}
