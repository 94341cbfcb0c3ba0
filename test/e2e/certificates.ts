import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generate } from 'selfsigned';

const DAY_MS = 86_400_000;

/** A certificate and its key, as PEM. */
export interface Issued {
  readonly cert: string;
  readonly key: string;
}

/** What a certificate says, beside its common name. */
export interface Subject {
  readonly uri?: string;
  readonly usage?: 'serverAuth' | 'clientAuth';
  /** Days from today. */
  readonly begins?: number;
  readonly ends?: number;
}

/** An authority that issues certificates for 127.0.0.1. */
export class Authority {
  readonly cert: string;
  readonly #ca: Issued;

  private constructor(ca: Issued) {
    this.#ca = ca;
    this.cert = ca.cert;
  }

  static async create(name: string): Promise<Authority> {
    const { cert, private: key } = await generate([{ name: 'commonName', value: name }], {
      keyType: 'ec',
      algorithm: 'sha256',
      extensions: [
        { name: 'basicConstraints', cA: true, critical: true },
        { name: 'keyUsage', keyCertSign: true, critical: true },
      ],
    });
    return new Authority({ cert, key });
  }

  async issue(
    commonName: string,
    { uri, usage = 'clientAuth', begins = -60, ends = 30 }: Subject = {},
  ): Promise<Issued> {
    const { cert, private: key } = await generate([{ name: 'commonName', value: commonName }], {
      keyType: 'ec',
      algorithm: 'sha256',
      ca: this.#ca,
      notBeforeDate: new Date(Date.now() + begins * DAY_MS),
      notAfterDate: new Date(Date.now() + ends * DAY_MS),
      extensions: [
        { name: 'basicConstraints', cA: false },
        { name: 'extKeyUsage', [usage]: true },
        {
          name: 'subjectAltName',
          altNames: [
            { type: 2, value: `${commonName}.example` },
            { type: 7, ip: '127.0.0.1' },
            ...(uri === undefined ? [] : [{ type: 6 as const, value: uri }]),
          ],
        },
      ],
    });
    return { cert, key };
  }
}

/** A directory of files for the time of a test. */
export class Files {
  readonly #directory = mkdtempSync(join(tmpdir(), 'preflight-'));

  path(name: string): string {
    return join(this.#directory, name);
  }

  /** Writes the file called `name`, and says where it is. */
  write(name: string, text: string): string {
    writeFileSync(this.path(name), text);
    return this.path(name);
  }

  remove(): void {
    rmSync(this.#directory, { recursive: true });
  }
}
