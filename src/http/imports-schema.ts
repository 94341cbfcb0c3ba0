import * as z from 'zod';
import { descriptor } from '../descriptor/schema.ts';
import { type Format, formats } from '../importers/index.ts';

/** The one source of the answer of `POST /v1/imports`: its type and its JSON Schema. */
export const importAnswer = z
  .strictObject({
    format: z.enum(formats as [Format, ...Format[]]).describe('What the document was read as.'),
    descriptor,
    origins: z
      .record(z.string(), z.string())
      .describe(
        'Where each member of the descriptor came from, by JSON Pointer: a line and element, an argument, a default of the ' +
          'format, a member of the envelope, an answer of QMP, a query parameter or a host profile.',
      ),
    notRead: z.array(z.string()).describe('What was seen and is not judged, a sentence each.'),
  })
  .meta({ id: 'ImportAnswer', description: 'The descriptor that a document became.' });

export type ImportAnswer = z.infer<typeof importAnswer>;
