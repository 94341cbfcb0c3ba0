import { randomUUID } from 'node:crypto';
import { type IncomingMessage, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { ConnectionError, FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { inItem } from './item.ts';
import { internalError, Problem, type ProblemType } from './problems.ts';
import { traceIdOf } from './tracing.ts';

/** Answers `error` as a problem. Of what is the service's own fault the log knows more than the answer. */
export function answerError(error: FastifyError | Problem, request: FastifyRequest, reply: FastifyReply): void {
  const problem = problemIn(problemOf(error, request), request);
  if (problem.type === 'internal-error') {
    request.log.error({ err: error, client: request.clientName ?? undefined, url: request.url }, 'request failed');
  }
  void reply
    .code(problem.status)
    .header('x-request-id', request.id)
    .type('application/problem+json')
    .send(problem.body(request.id, traceIdOf(request.headers['traceparent'], request.id)));
}

function problemOf(error: FastifyError | Problem, { server }: FastifyRequest): Problem {
  if (error instanceof Problem) return error;
  const { statusCode = 500, message } = error;
  if (statusCode >= 500) return internalError();
  if (statusCode === 413) {
    return new Problem('body-too-large', `the body has more than ${server.initialConfig.bodyLimit} bytes`);
  }
  return new Problem(statusCode === 415 ? 'unsupported-media-type' : 'bad-request', message);
}

const problemIn = (problem: Problem, { item }: FastifyRequest): Problem => (item ? inItem(problem, item) : problem);

/** Refuses a request that no route takes, before its body is read. */
export function refuseUnrouted({ server, url: target }: FastifyRequest, reply: FastifyReply): void {
  const url = target.split('?', 1)[0] ?? '';
  const allowed = (['GET', 'HEAD', 'POST'] as const).filter((method) => server.hasRoute({ url, method }));
  if (allowed.length === 0) throw new Problem('not-found', `no ${url} here`);
  void reply.header('allow', allowed.join(', '));
  throw new Problem('method-not-allowed', `${url} takes ${allowed.join(', ')}`);
}

const byParserError: Readonly<Record<string, ProblemType>> = {
  ERR_HTTP_REQUEST_TIMEOUT: 'request-timeout',
  HPE_HEADER_OVERFLOW: 'headers-too-large',
};

/** Connections whose request is answered while it arrives, which takes as long as it takes. */
const streaming = new WeakSet<Socket>();

/** Lets `request` take longer than others may until it is answered, as long as it does not fall silent. */
export function exemptFromTimeout({ raw: { socket } }: FastifyRequest, reply: FastifyReply): void {
  streaming.add(socket);
  reply.raw.once('close', () => streaming.delete(socket));
}

/** Requests that were answered before they were all there, by their connection. */
const answeredEarly = new WeakMap<Socket, IncomingMessage>();

/** Has `request` answered no second time, should the rest of it never come. */
export function noteAnswered({ raw }: FastifyRequest): void {
  if (!raw.complete) answeredEarly.set(raw.socket, raw);
}

/** Answers what Node could not read as HTTP: there is no request yet, only its connection. */
export function answerBrokenRequest({ code, message }: ConnectionError, socket: Socket): void {
  if (streaming.has(socket)) {
    // An answer is under way, into which nothing else may be written.
    if (code !== 'ERR_HTTP_REQUEST_TIMEOUT') socket.destroy();
    return;
  }
  if (!socket.writable || code === 'ECONNRESET') return;
  if (answeredEarly.get(socket)?.complete === false) return void socket.destroy();
  // Before there is TLS nothing can be said over it.
  if (/^ERR_(?:SSL|TLS)_/.test(code)) return void socket.destroy();
  const problem = new Problem(byParserError[code] ?? 'bad-request', message);
  const id = randomUUID();
  const body = JSON.stringify(problem.body(id, traceIdOf(undefined, id)));
  const head = [
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}`,
    'connection: close',
    'content-type: application/problem+json; charset=utf-8',
    `content-length: ${Buffer.byteLength(body)}`,
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}
