import * as z from 'zod';
import { policyContent } from '../policy/schema.ts';

const moment = z.string().describe('RFC 3339.');

export const policyAnswer = z
  .strictObject({
    revision: z.string().nullable().describe('As `policyRevision` in decisions; null without a policy file.'),
    loadedAt: moment.nullable(),
    failure: z
      .strictObject({ at: moment, detail: z.string().describe('By line of the file.') })
      .nullable()
      .describe('Why the file as it is now is not in force; null if it is.'),
    policy: policyContent,
  })
  .meta({ id: 'PolicyInForce', description: 'What the site says beyond QEMU, as it counts now.' });

export type PolicyAnswer = z.infer<typeof policyAnswer>;
