import type { FastifyReply, FastifyRequest } from 'fastify';
import Negotiator from 'negotiator';
import { type Ink, inColour, plain } from '../report/terminal.ts';

/** How an answer is written, as a query parameter; without it the Accept header decides, and JSON where both will do. */
export const format = { type: 'string', enum: ['json', 'text'], description: 'Default: by Accept, else JSON.' };

/** Whether a text may be coloured, as a query parameter. */
export const color = {
  type: 'string',
  enum: ['always', 'never'],
  description: 'Whether a text has colours for a terminal (SGR sequences). Default: never.',
};

/** What `color` asks for. */
export const inkOf = (wanted: 'always' | 'never' = 'never'): Ink => (wanted === 'always' ? inColour : plain);

/** How the document shows an answer that is either. */
export const jsonOrText = (description: string, schema: object): object => ({
  description,
  content: { 'application/json': { schema }, 'text/plain': { schema: { type: 'string' } } },
});

/** JSON first, for those who take anything; text once more as those write it who name its charset. */
const TYPES = ['application/json', 'text/plain', 'text/plain; charset=utf-8'];

type Asking = FastifyRequest<{ Querystring: { readonly format?: 'json' | 'text' } }>;

/** Whether the caller wants text. */
export function wantsText({ raw, query }: Asking): boolean {
  if (query.format !== undefined) return query.format === 'text';
  const { accept = '*/*' } = raw.headers;
  return accept !== '*/*' && accept !== 'application/json' && acceptsText(raw);
}

const acceptsText = (raw: Asking['raw']): boolean =>
  new Negotiator(raw).mediaType(TYPES)?.startsWith('text/plain') === true;

/** Sends `json`, or the text that `textOf` makes of it where the caller wants text. */
export function sendAs<T>(request: Asking, reply: FastifyReply, json: T, textOf: (json: T) => string): FastifyReply {
  void reply.header('vary', 'accept');
  return wantsText(request) ? reply.type('text/plain; charset=utf-8').send(textOf(json)) : reply.send(json);
}
