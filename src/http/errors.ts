import { randomUUID } from 'node:crypto';
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { ConnectionError, FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { Problem, type ProblemType } from './problems.ts';

/** Answers `error` as a problem. Of what is the service's own fault the log knows more than the answer. */
export function answerError(error: FastifyError | Problem, request: FastifyRequest, reply: FastifyReply): void {
  const problem = problemOf(error, request);
  if (problem.status >= 500) request.log.error({ err: error, url: request.url }, 'request failed');
  void reply
    .code(problem.status)
    .header('x-request-id', request.id)
    .type('application/problem+json')
    .send(problem.body(request.id));
}

function problemOf(error: FastifyError | Problem, { server }: FastifyRequest): Problem {
  if (error instanceof Problem) return error;
  const { statusCode = 500, message } = error;
  if (statusCode >= 500) return new Problem('internal-error', 'the service failed; its log has the request id');
  if (statusCode === 413) {
    return new Problem('body-too-large', `the body has more than ${server.initialConfig.bodyLimit} bytes`);
  }
  return new Problem(statusCode === 415 ? 'unsupported-media-type' : 'bad-request', message);
}

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

/** Answers what Node could not read as HTTP: there is no request yet, only its connection. */
export function answerBrokenRequest({ code, message }: ConnectionError, socket: Socket): void {
  if (!socket.writable || code === 'ECONNRESET') return;
  const problem = new Problem(byParserError[code] ?? 'bad-request', message);
  const body = JSON.stringify(problem.body(randomUUID()));
  const head = [
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}`,
    'connection: close',
    'content-type: application/problem+json; charset=utf-8',
    `content-length: ${Buffer.byteLength(body)}`,
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}
