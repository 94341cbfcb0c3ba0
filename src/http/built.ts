import type { ValidateFunction } from 'ajv';
import type { JsonSchema } from './schemas.ts';

/** Validators of the named schemas of bodies, by name. */
export type Validators = Readonly<Record<string, ValidateFunction>>;

/** What the build works out in advance: a quarter of a second for the first schema of Ajv's alone. */
export interface Built {
  /** What `namedSchemas` comes to. */
  readonly schemas: () => JsonSchema[];
  /** Validators that stop at the first fault. */
  readonly hasty: () => Validators;
  /** Validators that tell every fault. */
  readonly thorough: () => Validators;
}

/** The build puts its own in the place of this module (deploy/bundle.ts); without one, all is worked out when it is needed. */
export const built: Built | null = null;
