import { describe, expect, it } from 'vitest';
import { readConfig, securityOf } from '../../src/config.ts';
import { warningsOf } from '../../src/http/secured.ts';

const tls = { TLS_CERT_FILE: 'cert', TLS_KEY_FILE: 'key' };
const mutual = { ...tls, TLS_CLIENT_CA_FILE: 'ca' };
const clients = { CLIENTS_FILE: 'clients' };

const warnings = (env: Readonly<Record<string, string>>): string[] => {
  const config = readConfig(env);
  return warningsOf(config.host, securityOf(config));
};

describe('an operator is warned of a service', () => {
  const anybody = 'may ask: neither CLIENTS_FILE nor TLS_CLIENT_CA_FILE is set';
  const clear = 'unencrypted, unless a proxy in front of it speaks TLS';

  it.each([
    ['0.0.0.0', {}, anybody],
    ['::', {}, anybody],
    ['192.0.2.7', {}, anybody],
    ['127.example', {}, anybody],
    ['0.0.0.0', tls, anybody],
    ['0.0.0.0', clients, clear],
  ])('on %s with %j', (HOST, env, words) => {
    expect(warnings({ HOST, ...env })).toEqual([expect.stringContaining(words)]);
    expect(warnings({ HOST, ...env })).toEqual([expect.stringContaining(HOST)]);
  });
});

describe('an operator is not warned of a service', () => {
  it.each([
    ['the default', {}],
    ['loopback', { HOST: '127.1.2.3' }],
    ['loopback by name', { HOST: 'localhost' }],
    ['loopback of IPv6', { HOST: '::1' }],
    ['tokens on loopback', clients],
    ['tokens over TLS', { HOST: '0.0.0.0', ...tls, ...clients }],
    ['client certificates', { HOST: '0.0.0.0', ...mutual }],
    ['both', { HOST: '0.0.0.0', ...mutual, ...clients }],
    ['either', { HOST: '0.0.0.0', ...mutual, ...clients, TLS_CLIENT_CERT: 'optional' }],
  ])('%s', (_what, env) => {
    expect(warnings(env)).toEqual([]);
  });
});

describe('an environment that makes no sense is an error', () => {
  it.each([
    [{ TLS_CERT_FILE: 'cert' }, 'TLS_CERT_FILE and TLS_KEY_FILE: one needs the other'],
    [{ TLS_KEY_FILE: 'key' }, 'TLS_CERT_FILE and TLS_KEY_FILE: one needs the other'],
    [{ TLS_CLIENT_CA_FILE: 'ca' }, 'TLS_CLIENT_CA_FILE: needs TLS_CERT_FILE and TLS_KEY_FILE'],
    [{ TLS_CLIENT_CERT: 'optional' }, 'TLS_CLIENT_CERT: optional needs TLS_CLIENT_CA_FILE'],
    [{ ...tls, TLS_CLIENT_CA_FILE: 'ca', TLS_CLIENT_CERT: 'optional' }, 'and CLIENTS_FILE to say who has a token'],
    [{ ...tls, CLIENTS_FILE: 'clients', TLS_CLIENT_CERT: 'optional' }, 'TLS_CLIENT_CERT: optional needs'],
    [{ ...tls, HOST: 'localhost' }, 'HOST: with TLS give 127.0.0.1 or ::1 for localhost'],
    [{ TLS_CLIENT_CERT: 'sometimes' }, 'TLS_CLIENT_CERT: '],
    [{ CLIENTS_FILE: '' }, 'CLIENTS_FILE: must be the path of a file'],
    [{ CLIENT_CONCURRENCY: '0' }, 'CLIENT_CONCURRENCY: '],
    [{ OPERATIONS_PORT: '' }, 'OPERATIONS_PORT: must be a whole number'],
  ])('%j', (env, words) => {
    expect(() => readConfig(env)).toThrow(words);
  });
});

describe('who may ask is', () => {
  it('by default whoever reaches the service, which is on loopback, over plain HTTP', () => {
    const config = readConfig({});
    expect(config.host).toBe('127.0.0.1');
    expect(securityOf(config)).toEqual({ tls: null, clientsFile: null, clientConcurrency: 256 });
  });

  it('what the environment says', () => {
    const env = { ...tls, TLS_CLIENT_CA_FILE: 'ca', CLIENTS_FILE: 'clients', CLIENT_CONCURRENCY: '8' };
    expect(securityOf(readConfig(env))).toEqual({
      tls: { certificate: 'cert', key: 'key', clientCa: 'ca', clientCertificate: 'required' },
      clientsFile: 'clients',
      clientConcurrency: 8,
    });
  });
});
