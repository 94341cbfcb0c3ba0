import { describe, expect, it } from 'vitest';
import { tlsMaterial } from '../../src/http/tls.ts';
import { Authority } from '../e2e/certificates.ts';

const authority = await Authority.create('test');
const [own, other, ended, early] = await Promise.all([
  authority.issue('preflight', { usage: 'serverAuth' }),
  authority.issue('preflight', { usage: 'serverAuth' }),
  authority.issue('preflight', { usage: 'serverAuth', ends: -1 }),
  authority.issue('preflight', { usage: 'serverAuth', begins: 1 }),
]);
const now = new Date();

describe('certificates that are taken', () => {
  it.each([
    ['alone', [own.cert, own.key]],
    ['with that above it', [`${own.cert}\n${authority.cert}`, own.key]],
    ['with authorities of clients', [own.cert, own.key, `# ours\n${authority.cert}\n${authority.cert}`]],
  ])('%s', (_what, texts) => {
    const { context, notAfter } = tlsMaterial(texts, now);
    expect([context.cert, context.key, context.ca]).toEqual([texts[0], texts[1], texts[2]]);
    expect(Math.round((notAfter.getTime() - now.getTime()) / 86_400_000)).toBe(30);
  });
});

describe('certificates that are not taken', () => {
  it.each([
    ['no certificate', ['', own.key], 'TLS_CERT_FILE has no PEM certificate'],
    ['a key for a certificate', [own.key, own.key], 'TLS_CERT_FILE has no PEM certificate'],
    ['half a certificate', [own.cert.slice(0, 300), own.key], 'TLS_CERT_FILE has no PEM certificate'],
    ['a certificate with a hole', [own.cert.replace(/\n.{64}\n/, '\n'), own.key], /asn1|wrong tag|too long/i],
    ['no key', [own.cert, ''], /DECODER/],
    ['half a key', [own.cert, own.key.slice(0, 100)], /DECODER|bad end line|PEM/i],
    ['the key of another', [own.cert, other.key], /key values mismatch/],
    ['one that ended', [ended.cert, ended.key], /^the certificate ended at \d{4}-/],
    ['one that holds from tomorrow', [early.cert, early.key], /^the certificate begins at \d{4}-/],
    ['no authorities', [own.cert, own.key, ''], 'TLS_CLIENT_CA_FILE has no PEM certificate'],
    ['words for authorities', [own.cert, own.key, 'none'], 'TLS_CLIENT_CA_FILE has no PEM certificate'],
  ])('%s', (_what, texts, words) => {
    expect(() => tlsMaterial(texts, now)).toThrow(words);
  });

  it('are not shown', () => {
    const secret = own.key.split('\n')[1] ?? '';
    expect(secret).toHaveLength(64);
    for (const texts of [
      [own.key, own.key],
      [own.cert, own.key.slice(0, 100)],
      [own.cert, other.key],
    ]) {
      expect(() => tlsMaterial(texts, now)).not.toThrow(secret.slice(0, 20));
    }
  });
});
