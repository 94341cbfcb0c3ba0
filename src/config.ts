import { readFileSync } from 'node:fs';
import * as z from 'zod';
import type { DecisionLogSettings } from './decision-log/decision-log.ts';
import { DescriptorPlaces } from './http/descriptor-places.ts';
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
  /** How long requests wait, about, while more come than can be answered; the others are refused. */
  QUEUE_DELAY_MS: whole(1, 60_000).default(100),
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
  /** The site's policy, in YAML or JSON. */
  POLICY_FILE: filePath,
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
  /** Where decisions are remembered: `off`, `stdout` (the service's own log then goes to stderr), or the path of a file. */
  DECISION_LOG: z.string().min(1, 'must be off, stdout or the path of a file').default('off'),
  /** The share of decisions that are. */
  DECISION_LOG_SHARE: z
    .string()
    .regex(/^(?:0\.\d{0,9}[1-9]|1)$/, 'must be a share such as 0.01, at most 1')
    .transform(Number)
    .default(1),
  /** Bytes that a file may have, and how many files there may be. */
  DECISION_LOG_MAX_BYTES: whole(1024, 9_999_999_999).default(100 << 20),
  DECISION_LOG_FILES: whole(1, 1000).default(5),
  /** JSON Pointers to what of a descriptor is masked. */
  DECISION_LOG_MASK: z
    .string()
    .regex(/^\/[^,]+(?:,\/[^,]+)*$/, 'must be JSON Pointers with commas between')
    .transform((text, context) => {
      const pointers = text.split(',');
      const places = new DescriptorPlaces();
      for (const pointer of pointers.filter((each) => !places.has(each))) {
        context.addIssue({ code: 'custom', message: `no descriptor has anything at ${pointer}` });
      }
      for (const pointer of pointers.filter(holdsDevices)) {
        const message = `${pointer} holds whole devices: say what of them is masked, such as /vm/vfio/*/host`;
        context.addIssue({ code: 'custom', message });
      }
      return pointers;
    })
    .nullable()
    .default(null),
  /** File with what pseudonyms are made with. */
  DECISION_LOG_MASK_KEY_FILE: filePath,
});

export interface Config {
  readonly host: string;
  readonly port: number;
  readonly logLevel: z.infer<typeof environment>['LOG_LEVEL'];
  readonly bodyLimit: number;
  readonly requestTimeoutMs: number;
  readonly connectionTimeoutMs: number;
  readonly keepAliveTimeoutMs: number;
  readonly queueDelayMs: number;
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
  readonly policyFile: string | null;
  readonly hostProfiles: HostProfiles;
  readonly decisionLog: string;
  readonly decisionLogShare: number;
  readonly decisionLogMaxBytes: number;
  readonly decisionLogFiles: number;
  readonly decisionLogMask: readonly string[] | null;
  readonly decisionLogMaskKeyFile: string | null;
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
    queueDelayMs: data.QUEUE_DELAY_MS,
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
    policyFile: data.POLICY_FILE,
    hostProfiles: data.HOST_PROFILES,
    decisionLog: data.DECISION_LOG,
    decisionLogShare: data.DECISION_LOG_SHARE,
    decisionLogMaxBytes: data.DECISION_LOG_MAX_BYTES,
    decisionLogFiles: data.DECISION_LOG_FILES,
    decisionLogMask: data.DECISION_LOG_MASK,
    decisionLogMaskKeyFile: data.DECISION_LOG_MASK_KEY_FILE,
  };
}

/** Whether `pointer`, in which `*` stands for anything, is to a VFIO device or to what it is inside of: its id is in other places, too. */
const holdsDevices = (pointer: string): boolean => /^\/(?:vm|\*)(?:\/(?:vfio|\*)(?:\/(?:\d+|\*))?)?$/.test(pointer);

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

/**
 * What of `config` says which decisions are remembered, and where; `null`: none.
 * @throws Error if there is no key in the file that is to have it.
 */
export function decisionLogOf({ decisionLog: to, ...config }: Config): DecisionLogSettings | null {
  if (to === 'off') return null;
  const { decisionLogMaxBytes: maxBytes, decisionLogFiles: files, decisionLogMaskKeyFile: keyFile } = config;
  const maskKey = keyFile === null ? null : readFileSync(keyFile, 'utf8').trim();
  if (maskKey === '') throw new Error(`DECISION_LOG_MASK_KEY_FILE: ${keyFile} is empty`);
  return {
    to: to === 'stdout' ? to : { path: to, maxBytes, files },
    share: config.decisionLogShare,
    mask: config.decisionLogMask ?? [],
    maskKey,
  };
}

/** What of `config` says who may ask. */
export function securityOf({ tlsCertFile, tlsKeyFile, ...config }: Config): Security {
  const { tlsClientCaFile: clientCa, tlsClientCert: clientCertificate, clientsFile, clientConcurrency } = config;
  const isTls = tlsCertFile !== null && tlsKeyFile !== null;
  const tls = isTls ? { certificate: tlsCertFile, key: tlsKeyFile, clientCa, clientCertificate } : null;
  return { tls, clientsFile, clientConcurrency };
}
