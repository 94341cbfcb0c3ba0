import type { FastifyInstance } from 'fastify';

/** What the pages of the documentation may load: their own files, and pictures that are in them. */
const PAGES =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** An answer that is data loads nothing, even if a browser shows it. */
const DATA = "default-src 'none'; frame-ancestors 'none'";

/** Tells browsers to take an answer for nothing else, to show it in no frame, and to tell nobody where it was read. */
export function pageHeaders(app: FastifyInstance): void {
  app.addHook('onRequest', (request, reply, done) => {
    const isPage = request.routeOptions.url?.startsWith('/docs') === true;
    void reply.headers({
      'content-security-policy': isPage ? PAGES : DATA,
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'referrer-policy': 'no-referrer',
    });
    done();
  });
}
