import { z } from 'zod';

/** A whole number in decimal digits; an empty variable is none. */
const whole = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d{1,10}$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.number().min(min).max(max));

const milliseconds = whole(0, 3_600_000);

/** What the environment may set, with the defaults; the one place where either is written down. */
const environment = z.object({
  /** Address to listen on. */
  HOST: z.string().min(1).default('127.0.0.1'),
  PORT: whole(0, 65_535).default(8080),
  LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
  /** Largest request body, in bytes. */
  BODY_LIMIT: whole(1024, 1 << 30).default(1 << 20),
  /** How long a client may take to send a request. */
  REQUEST_TIMEOUT_MS: milliseconds.default(10_000),
  /** How long a connection may stay silent. */
  CONNECTION_TIMEOUT_MS: milliseconds.default(30_000),
  /** How long a connection is kept for a next request; longer than the usual load balancer's 60 s. */
  KEEP_ALIVE_TIMEOUT_MS: milliseconds.default(72_000),
  /** A request that takes longer is logged. */
  SLOW_REQUEST_MS: milliseconds.default(1000),
  /** How long readiness fails before the server stops listening. */
  DRAIN_MS: milliseconds.default(200),
  /** How long the whole shutdown may take. */
  SHUTDOWN_MS: milliseconds.default(10_000),
});

export interface Config {
  readonly host: string;
  readonly port: number;
  readonly logLevel: z.infer<typeof environment>['LOG_LEVEL'];
  readonly bodyLimit: number;
  readonly requestTimeoutMs: number;
  readonly connectionTimeoutMs: number;
  readonly keepAliveTimeoutMs: number;
  readonly slowRequestMs: number;
  readonly drainMs: number;
  readonly shutdownMs: number;
}

/**
 * The configuration that `env` asks for.
 * @throws Error naming every variable that is wrong.
 */
export function readConfig(env: Readonly<Record<string, string | undefined>>): Config {
  const parsed = environment.safeParse(env);
  if (!parsed.success) {
    const wrong = parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
    throw new Error(`configuration: ${wrong.join('; ')}`);
  }
  const { data } = parsed;
  return {
    host: data.HOST,
    port: data.PORT,
    logLevel: data.LOG_LEVEL,
    bodyLimit: data.BODY_LIMIT,
    requestTimeoutMs: data.REQUEST_TIMEOUT_MS,
    connectionTimeoutMs: data.CONNECTION_TIMEOUT_MS,
    keepAliveTimeoutMs: data.KEEP_ALIVE_TIMEOUT_MS,
    slowRequestMs: data.SLOW_REQUEST_MS,
    drainMs: data.DRAIN_MS,
    shutdownMs: data.SHUTDOWN_MS,
  };
}
