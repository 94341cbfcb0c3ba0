import { readFileSync } from 'node:fs';
import * as z from 'zod';
import { type HostProfiles, NO_PROFILES, parseHostProfiles } from './http/host-profiles.ts';
import type { Security } from './http/secured.ts';

/** A whole number in decimal digits; an empty variable is none. */
const whole = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d{1,10}$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.number().min(min).max(max));

const milliseconds = whole(0, 3_600_000);

/** A file, or null for none. */
const filePath = z.string().min(1, 'must be the path of a file').nullable().default(null);

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
  /** Certificate, with those above it, and key (PEM): with both the service speaks TLS, and nothing else. */
  TLS_CERT_FILE: filePath,
  TLS_KEY_FILE: filePath,
  /** Authorities of client certificates (PEM). */
  TLS_CLIENT_CA_FILE: filePath,
  /** Whether a client needs a certificate of those to get as far as HTTP. */
  TLS_CLIENT_CERT: z.enum(['required', 'optional']).default('required'),
  /** Who may ask what, by token or certificate. */
  CLIENTS_FILE: filePath,
  /** How many requests of a client may be under way at a time. */
  CLIENT_CONCURRENCY: whole(1, 1_000_000).default(256),
  /** Where health and metrics have a port of their own, if it is given; metrics are then there only. */
  OPERATIONS_HOST: z.string().min(1).default('127.0.0.1'),
  OPERATIONS_PORT: whole(0, 65_535).nullable().default(null),
  /** File of host profiles, in YAML or JSON. */
  HOST_PROFILES: z
    .string()
    .transform((path, context) => {
      try {
        return parseHostProfiles(readFileSync(path, 'utf8'));
      } catch (error) {
        context.addIssue({ code: 'custom', message: `${path}: ${(error as Error).message}` });
        return z.NEVER;
      }
    })
    .default(NO_PROFILES),
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
  readonly tlsCertFile: string | null;
  readonly tlsKeyFile: string | null;
  readonly tlsClientCaFile: string | null;
  readonly tlsClientCert: 'required' | 'optional';
  readonly clientsFile: string | null;
  readonly clientConcurrency: number;
  readonly operationsHost: string;
  readonly operationsPort: number | null;
  readonly hostProfiles: HostProfiles;
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
  const contradiction = contradictionIn(data);
  if (contradiction) throw new Error(`configuration: ${contradiction}`);
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
    tlsCertFile: data.TLS_CERT_FILE,
    tlsKeyFile: data.TLS_KEY_FILE,
    tlsClientCaFile: data.TLS_CLIENT_CA_FILE,
    tlsClientCert: data.TLS_CLIENT_CERT,
    clientsFile: data.CLIENTS_FILE,
    clientConcurrency: data.CLIENT_CONCURRENCY,
    operationsHost: data.OPERATIONS_HOST,
    operationsPort: data.OPERATIONS_PORT,
    hostProfiles: data.HOST_PROFILES,
  };
}

/** What of the TLS variables makes no sense together. */
function contradictionIn(data: z.infer<typeof environment>): string | null {
  const { HOST, TLS_CERT_FILE: cert, TLS_KEY_FILE: key, TLS_CLIENT_CA_FILE: ca, TLS_CLIENT_CERT: wanted } = data;
  if ((cert === null) !== (key === null)) return 'TLS_CERT_FILE and TLS_KEY_FILE: one needs the other';
  if (ca !== null && cert === null) return 'TLS_CLIENT_CA_FILE: needs TLS_CERT_FILE and TLS_KEY_FILE';
  if (wanted === 'optional' && (ca === null || data.CLIENTS_FILE === null)) {
    return 'TLS_CLIENT_CERT: optional needs TLS_CLIENT_CA_FILE, and CLIENTS_FILE to say who has a token instead';
  }
  // Both of its addresses would be listened on, and certificates be reloaded on one of them.
  return cert !== null && HOST === 'localhost' ? 'HOST: with TLS give 127.0.0.1 or ::1 for localhost' : null;
}

/** What of `config` says who may ask. */
export function securityOf({ tlsCertFile, tlsKeyFile, ...config }: Config): Security {
  const { tlsClientCaFile: clientCa, tlsClientCert: clientCertificate, clientsFile, clientConcurrency } = config;
  const isTls = tlsCertFile !== null && tlsKeyFile !== null;
  const tls = isTls ? { certificate: tlsCertFile, key: tlsKeyFile, clientCa, clientCertificate } : null;
  return { tls, clientsFile, clientConcurrency };
}
