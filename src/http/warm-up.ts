import { setImmediate } from 'node:timers/promises';
import { evaluate } from '../evaluation/evaluate.ts';
import { withRemedies } from '../evaluation/remedies.ts';
import { examples } from './examples.ts';
import type { Validate } from './validation.ts';

/**
 * Has done what the first requests would wait for, a quarter of a second each: schemas are compiled when they are first
 * needed, and others to tell all that is wrong with a request; code is, too. `validate` judges the shape of a descriptor.
 * Others get their turn in between.
 */
export async function warmUp(validate: Validate): Promise<void> {
  for (const { request } of Object.values(examples)) {
    validate(request);
    const decision = evaluate(request);
    await setImmediate();
    withRemedies(request, decision);
    await setImmediate();
  }
  validate({});
}
