import { lazy } from '../descriptor/lazy.ts';
import { Policy, PolicyError } from '../policy/policy.ts';
import type { PolicyContent } from '../policy/schema.ts';
import { namedSchemas, ref } from './schemas.ts';
import { validators } from './validation.ts';
import { readYaml } from './yaml-file.ts';

const validate = lazy(() => validators(namedSchemas())({ schema: ref('Policy') }));

/**
 * The policy that `text` says, in YAML or JSON.
 * @throws Error naming every line that is wrong.
 */
export function parsePolicy(text: string): Policy {
  const { content, wrong } = readYaml(text);
  const judged = validate()(content);
  if (judged !== true) throw wrong(judged.error.places);
  try {
    return new Policy(content as PolicyContent);
  } catch (error) {
    throw error instanceof PolicyError ? wrong(error.faults) : error;
  }
}
