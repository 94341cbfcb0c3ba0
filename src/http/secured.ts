import type { FastifyBaseLogger } from 'fastify';
import type { AccessMetrics } from '../metrics/access-metrics.ts';
import type { Access } from './access.ts';
import { type Clients, parseClients } from './clients.ts';
import { type LoadObserver, Reloading } from './reloading.ts';
import { Tls, type TlsFiles, type TlsObserver } from './tls.ts';

/** What an operator says of who may ask. */
export interface Security {
  /** Null: plain HTTP. */
  readonly tls: TlsFiles | null;
  readonly clientsFile: string | null;
  readonly clientConcurrency: number;
}

/** The files that say who may ask, as they are, and what keeps them up to date. */
export interface Secured {
  readonly tls: Tls | null;
  readonly access: Access;
  readonly reload: () => Promise<void>;
  readonly watch: () => void;
  readonly unwatch: () => void;
}

/**
 * Reads the files that `security` names.
 * @throws Error naming what is wrong with one of them.
 */
export async function secure(security: Security, metrics: AccessMetrics, log?: FastifyBaseLogger): Promise<Secured> {
  const observer: TlsObserver = {
    ...loadObserver(metrics, log),
    certificateEnds: (notAfter) => metrics.certificateEnds(notAfter),
    handshakeFailed: (reason) => {
      metrics.refused('tls');
      log?.debug({ reason }, 'refused');
    },
  };
  const tls = security.tls && (await Tls.open(security.tls, observer));
  const clients = security.clientsFile === null ? null : await openClients(security.clientsFile, observer);
  const files = [tls?.files, clients].filter((each) => each != null);
  const stops: (() => void)[] = [];
  return {
    tls,
    access: { clients, concurrency: security.clientConcurrency, onRefusal: (reason) => metrics.refused(reason) },
    reload: async () => {
      await Promise.all(files.map((each) => each.reload()));
    },
    watch: () => {
      for (const each of files) stops.push(each.watch());
    },
    unwatch: () => {
      for (const stop of stops.splice(0)) stop();
    },
  };
}

/** Says how files were loaded, in metrics and in the log. */
export const loadObserver = (metrics: AccessMetrics, log?: FastifyBaseLogger): LoadObserver => ({
  loaded: (files) => {
    metrics.loaded(files, new Date());
    log?.info({ files }, 'files loaded');
  },
  failed: (files, error) => {
    metrics.notLoaded(files);
    log?.error({ files, reason: error.message }, 'files not loaded: what was last good stays in force');
  },
});

const openClients = (path: string, observer: LoadObserver): Promise<Reloading<Clients>> =>
  Reloading.open({ name: 'clients', paths: [path], parse: ([text = '']) => parseClients(text) }, observer);

/** What an operator should know of a service that listens on `host`, where others can reach it. */
export function warningsOf(host: string, { tls, clientsFile }: Security): string[] {
  const isLoopback = host === 'localhost' || host === '::1' || /^127(?:\.\d{1,3}){3}$/.test(host);
  if (isLoopback) return [];
  const needsCertificate = tls?.clientCa != null && tls.clientCertificate === 'required';
  if (clientsFile === null && !needsCertificate) {
    return [`anybody who reaches ${host} may ask: neither CLIENTS_FILE nor TLS_CLIENT_CA_FILE is set`];
  }
  return clientsFile !== null && tls === null
    ? [`tokens reach ${host} unencrypted, unless a proxy in front of it speaks TLS: TLS_CERT_FILE is not set`]
    : [];
}
