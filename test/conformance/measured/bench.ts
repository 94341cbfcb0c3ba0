import type { MappingRun, MappingRuns } from 'migration-preflight/simulator';
import type { Answer, Case } from './case.ts';

/** A container on which cases are replayed. */
export interface Bench {
  /** Where a mapping may lie of which no case says where: the start of the widest range that allows any. */
  readonly base: bigint;
  /** What is mapped. */
  readonly held: () => MappingRuns;
  /** Opens a fresh one of the same kind, as the case's scenario describes it. */
  readonly reset: (c: Case) => void;
  /** Maps for a case that says what was mapped before; false where that cannot be. */
  readonly map: (run: MappingRun) => boolean;
  /** Does what a scenario says was done before its call, once its mappings are made. */
  readonly prepare: (c: Case) => void;
  /** Takes in a case that only informs. */
  readonly learn: (c: Case) => void;
  /** Carries out the call; a string says why it cannot be. */
  readonly call: (c: Case) => Answer | string;
}
