import { createHash, timingSafeEqual } from 'node:crypto';

/** What a client may be let to do; each route needs one of them or none. */
export const scopes = ['evaluate', 'batch', 'metrics'] as const;
export type Scope = (typeof scopes)[number];

/** Somebody that the clients file lists. */
export interface Client {
  readonly name: string;
  readonly scopes: ReadonlySet<Scope>;
}

interface TokenHolder {
  readonly client: Client;
  readonly sha256: Buffer;
}

/**
 * Those who may ask, and how they are told apart. A token is random and long, so that its plain SHA-256 says nothing of it:
 * a slow hash, which protects words that can be guessed, would only make each request slow.
 */
export class Clients {
  readonly #tokens: readonly TokenHolder[];
  readonly #certificates: ReadonlyMap<string, Client>;

  constructor(tokens: readonly TokenHolder[], certificates: ReadonlyMap<string, Client>) {
    this.#tokens = tokens;
    this.#certificates = certificates;
  }

  /** Whose `token` this is. Takes the same time whoever it is, and if it is nobody's. */
  byToken(token: string): Client | null {
    const presented = createHash('sha256').update(token).digest();
    let found: Client | null = null;
    for (const { client, sha256 } of this.#tokens) if (timingSafeEqual(sha256, presented)) found = client;
    return found;
  }

  /** Who has a certificate of one of these names, each as the clients file writes it. */
  byCertificate(names: readonly string[]): Client | null {
    const name = names.find((each) => this.#certificates.has(each));
    return name === undefined ? null : (this.#certificates.get(name) ?? null);
  }
}

const LINE = /^([\w.-]{1,64})\s+(\S+)\s+(\S.*)$/;
const TOKEN = /^sha256:([\da-f]{64})$/;
const CERTIFICATE = /^(cn|dns|uri):(\S.*)$/;

/**
 * The clients that `text` lists, one credential a line: name, scopes with commas between, and `sha256:` with the hash of a
 * token or one of a certificate's names as `cn:`, `dns:` or `uri:`. Whoever has several credentials has several lines.
 * @throws Error naming the first line that is wrong, without a word of it: it may hold a token that was not hashed.
 */
export function parseClients(text: string): Clients {
  const tokens: TokenHolder[] = [];
  const certificates = new Map<string, Client>();
  const seen = new Set<string>();
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) continue;
    const wrong = (detail: string): Error => new Error(`line ${index + 1}: ${detail}`);
    const [, name, scopeList, credential] = LINE.exec(line) ?? [];
    if (name === undefined || scopeList === undefined || credential === undefined) {
      throw wrong('must be a name, scopes and a credential, with blanks between');
    }
    const client = { name, scopes: new Set(scopeList.split(',').filter(isScope)) };
    if (client.scopes.size !== scopeList.split(',').length) {
      throw wrong(`scopes must be some of ${scopes.join(', ')}, each once, with commas between`);
    }
    const [, sha256] = TOKEN.exec(credential) ?? [];
    const [, kind, value = ''] = CERTIFICATE.exec(credential) ?? [];
    if (sha256 !== undefined) tokens.push({ client, sha256: Buffer.from(sha256, 'hex') });
    else if (kind === undefined)
      throw wrong('the credential must be sha256: and 64 small hex digits, or cn:, dns: or uri: and a name');
    const identity = kind === undefined ? credential : certificateName(kind as CertificateName, value);
    if (seen.has(identity)) throw wrong('an earlier line has the same credential');
    seen.add(identity);
    if (kind !== undefined) certificates.set(identity, client);
  }
  if (seen.size === 0) throw new Error('it lists nobody');
  return new Clients(tokens, certificates);
}

const isScope = (word: string): word is Scope => (scopes as readonly string[]).includes(word);

type CertificateName = 'cn' | 'dns' | 'uri';

const certificateName = (kind: CertificateName, value: string): string =>
  `${kind}:${kind === 'dns' ? value.toLowerCase() : value}`;

/** Kinds of alternative names as Node writes them. */
const KINDS: Readonly<Record<string, CertificateName>> = { DNS: 'dns', URI: 'uri' };

/** One alternative name: Node writes as JSON what could be taken for the beginning of another. */
const ALTERNATIVE = /([^:,\s][^:,]*):("(?:[^"\\]|\\.)*"|[^,"]*)(?:, |$)/y;

/** The names of a certificate as the clients file writes them, from its subject and its alternative names as Node has them. */
export function certificateNames(commonName: unknown, subjectAltName = ''): string[] {
  const names = typeof commonName === 'string' && commonName !== '' ? [certificateName('cn', commonName)] : [];
  for (const [, label = '', text = ''] of subjectAltName.matchAll(new RegExp(ALTERNATIVE, 'gy'))) {
    const kind = KINDS[label];
    const value = text.startsWith('"') ? (JSON.parse(text) as string) : text;
    if (kind) names.push(certificateName(kind, value));
  }
  return names;
}
