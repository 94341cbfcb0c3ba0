import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import { createSecureContext, type SecureContextOptions, type Server, TLSSocket } from 'node:tls';
import { certificateNames } from './clients.ts';
import { type LoadObserver, Reloading } from './reloading.ts';

/** Where certificates and the key are (PEM), and whether clients must have one. */
export interface TlsFiles {
  readonly certificate: string;
  readonly key: string;
  readonly clientCa: string | null;
  readonly clientCertificate: 'required' | 'optional';
}

/** What a TLS server is given, and when its certificate ends. */
export interface TlsMaterial {
  readonly context: SecureContextOptions;
  readonly notAfter: Date;
}

/**
 * A certificate with those above it, its key, and the authorities of client certificates, judged by what OpenSSL makes of
 * them.
 * @throws Error if they do not fit, or the certificate does not hold at `now`.
 */
export function tlsMaterial([cert = '', key = '', ca]: readonly string[], now: Date): TlsMaterial {
  const [own] = certificatesOf(cert, 'TLS_CERT_FILE');
  const notAfter = new Date(own.validTo);
  // Both would be passed over: a key that is empty, and authorities of which there are none.
  createPrivateKey(key);
  if (ca !== undefined) certificatesOf(ca, 'TLS_CLIENT_CA_FILE');
  const context = { cert, key, ...(ca !== undefined && { ca }), minVersion: 'TLSv1.2' } as const;
  createSecureContext(context);
  const notBefore = new Date(own.validFrom);
  if (notBefore > now) throw new Error(`the certificate begins at ${notBefore.toISOString()}`);
  if (notAfter <= now) throw new Error(`the certificate ended at ${notAfter.toISOString()}`);
  return { context, notAfter };
}

/** All certificates in a PEM file, of which there is one at least. */
function certificatesOf(pem: string, variable: string): [X509Certificate, ...X509Certificate[]] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  const [first, ...others] = blocks.map((block) => new X509Certificate(block));
  if (!first) throw new Error(`${variable} has no PEM certificate`);
  return [first, ...others];
}

/** Who is told what becomes of TLS. */
export interface TlsObserver extends LoadObserver {
  /** When the certificate that is now in force ends. */
  readonly certificateEnds: (notAfter: Date) => void;
  /** Somebody does not get as far as HTTP. */
  readonly handshakeFailed: (reason: string) => void;
}

/** TLS whose certificates may change while the service runs. */
export class Tls {
  readonly files: Reloading<TlsMaterial>;
  readonly #clientCertificate: TlsFiles['clientCertificate'] | 'none';
  readonly #observer: TlsObserver;
  /** Connections made with the certificates that are in force. */
  #current = new WeakSet<Socket>();

  private constructor(files: Reloading<TlsMaterial>, { clientCa, clientCertificate }: TlsFiles, observer: TlsObserver) {
    this.files = files;
    this.#clientCertificate = clientCa === null ? 'none' : clientCertificate;
    this.#observer = observer;
    observer.certificateEnds(files.current.notAfter);
  }

  /**
   * Reads the files.
   * @throws Error naming what is wrong with them.
   */
  static async open(files: TlsFiles, observer: TlsObserver): Promise<Tls> {
    const { certificate, key, clientCa } = files;
    const paths = clientCa === null ? [certificate, key] : [certificate, key, clientCa];
    const parse = (texts: readonly string[]): TlsMaterial => tlsMaterial(texts, new Date());
    return new Tls(await Reloading.open({ name: 'tls', paths, parse }, observer), files, observer);
  }

  /** What the server begins with. A client without a certificate that is required does not get as far as HTTP. */
  get serverOptions(): SecureContextOptions & { requestCert: boolean; rejectUnauthorized: boolean } {
    return {
      ...this.files.current.context,
      requestCert: this.#clientCertificate !== 'none',
      rejectUnauthorized: this.#clientCertificate === 'required',
    };
  }

  /** Keeps `server` up to date. */
  serve(server: Server): void {
    server.on('secureConnection', (socket) => this.#current.add(socket));
    server.on('tlsClientError', ({ code }: NodeJS.ErrnoException, { authorizationError }) => {
      const reason = String(authorizationError ?? code);
      // Who only looks whether the port is open ends the connection, too.
      if (reason !== 'ECONNRESET') this.#observer.handshakeFailed(reason);
    });
    this.files.onLoad(({ context, notAfter }) => {
      server.setSecureContext(context);
      this.#current = new WeakSet();
      this.#observer.certificateEnds(notAfter);
    });
  }

  /**
   * Whether this connection was made before the certificates changed. Such a one is ended with its next answer: its client
   * may have a certificate of an authority that is no longer trusted.
   */
  isOutdated(socket: Socket): boolean {
    return !this.#current.has(socket);
  }
}

/** The certificate of a client: its names, or why it does not count. */
export type Peer = { readonly names: readonly string[] } | { readonly error: string };

/** By connection: a certificate is read once. */
const peers = new WeakMap<Socket, Peer>();

/** The certificate that whoever is at the other end has shown, if any. */
export function peerOf(socket: Socket): Peer | null {
  if (!(socket instanceof TLSSocket)) return null;
  const known = peers.get(socket);
  if (known) return known;
  const certificate = socket.getPeerX509Certificate();
  if (!certificate) return null;
  const peer = socket.authorized
    ? { names: certificateNames(socket.getPeerCertificate().subject.CN, certificate.subjectAltName) }
    : { error: String(socket.authorizationError) };
  peers.set(socket, peer);
  return peer;
}
