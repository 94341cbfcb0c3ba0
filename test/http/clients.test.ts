import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { certificateNames, parseClients } from '../../src/http/clients.ts';

const hash = (token: string): string => `sha256:${createHash('sha256').update(token).digest('hex')}`;

const listed = `
# Control planes
nova        evaluate,batch  ${hash('one')}
nova        evaluate        ${hash('two')}   
kubevirt\tevaluate\turi:spiffe://cluster.local/ns/kubevirt/sa/virt-controller
prometheus  metrics         dns:Prometheus.monitoring.svc
ops         evaluate,metrics cn:Operations, second floor
`;

describe('a list of clients', () => {
  const clients = parseClients(listed);

  it.each([
    ['one', 'nova', ['evaluate', 'batch']],
    ['two', 'nova', ['evaluate']],
  ])('knows the token %s', (token, name, scopes) => {
    expect(clients.byToken(token)).toEqual({ name, scopes: new Set(scopes) });
  });

  it.each(['', 'One', 'one ', 'three', hash('one'), hash('one').slice('sha256:'.length)])(
    'knows no token %j',
    (token) => {
      expect(clients.byToken(token)).toBeNull();
    },
  );

  it.each([
    [['uri:spiffe://cluster.local/ns/kubevirt/sa/virt-controller'], 'kubevirt'],
    [['cn:node1', 'dns:prometheus.monitoring.svc'], 'prometheus'],
    [['cn:Operations, second floor'], 'ops'],
  ])('knows a certificate of %j', (names, name) => {
    expect(clients.byCertificate(names)?.name).toBe(name);
  });

  it.each([
    [[]],
    [['dns:monitoring.svc']],
    [['cn:prometheus.monitoring.svc']],
    [['cn:operations, second floor']],
    [['uri:spiffe://cluster.local/ns/kubevirt/sa/virt-controller/']],
  ])('knows no certificate of %j', (names) => {
    expect(clients.byCertificate(names)).toBeNull();
  });
});

describe('a list of clients that is wrong', () => {
  const secret = 'kQ8sJx0sVt0m';
  it.each([
    ['nobody', '\n# nobody yet\n', 'it lists nobody'],
    ['a line without a credential', 'nova evaluate', 'line 1: must be a name, scopes and a credential'],
    ['a name with a blank in it', `nova 1 evaluate ${hash('a')}`, 'line 1: scopes must be some of'],
    ['a name of other letters', `nova! evaluate ${hash('a')}`, 'line 1: must be a name'],
    ['a scope that there is none of', `# x\nnova evaluate,admin ${hash('a')}`, 'line 2: scopes must be some of'],
    ['a scope twice', `nova batch,batch ${hash('a')}`, 'line 1: scopes must be some of'],
    ['no scope between commas', `nova batch, ${hash('a')}`, 'line 1: scopes must be some of'],
    ['a token that is not hashed', `nova evaluate ${secret}`, 'line 1: the credential must be sha256:'],
    ['a token where scopes belong', `nova ${secret} evaluate`, 'line 1: scopes must be some of'],
    ['a token where the name belongs', secret, 'line 1: must be a name'],
    ['a hash in capitals', `nova evaluate sha256:${'A'.repeat(64)}`, 'line 1: the credential must be sha256:'],
    ['a hash that is cut', `nova evaluate ${hash('a').slice(0, -1)}`, 'line 1: the credential must be sha256:'],
    ['a kind of name that there is none of', 'nova evaluate ip:10.0.0.1', 'line 1: the credential must be sha256:'],
    ['one token twice', `a evaluate ${hash('a')}\nb batch ${hash('a')}`, 'line 2: an earlier line has the same'],
    ['one name twice', 'a evaluate dns:X\nb batch dns:x', 'line 2: an earlier line has the same'],
  ])('%s', (_what, text, words) => {
    expect(() => parseClients(text)).toThrow(words);
    expect(() => parseClients(text)).not.toThrow(secret);
  });
});

describe('the names of a certificate', () => {
  it.each([
    [undefined, undefined, []],
    ['', '', []],
    ['nova', undefined, ['cn:nova']],
    [['nova', 'admin'], undefined, []],
    [
      'nova',
      'DNS:Nova.example, IP Address:10.0.0.1, URI:spiffe://a/b',
      ['cn:nova', 'dns:nova.example', 'uri:spiffe://a/b'],
    ],
    ['nova', 'email:a@b, DirName:"CN = x, O = y", DNS:c', ['cn:nova', 'dns:c']],
    // What pretends to be two names is one.
    [undefined, 'DNS:"a, URI:spiffe://admin"', ['dns:a, uri:spiffe://admin']],
    [undefined, 'DNS:"a\\", DNS:admin", DNS:b', ['dns:a", dns:admin', 'dns:b']],
    [undefined, 'URI:http://a/b:c?d=e', ['uri:http://a/b:c?d=e']],
  ])('subject %j and alternatives %j are %j', (commonName, alternatives, names) => {
    expect(certificateNames(commonName, alternatives)).toEqual(names);
  });
});

it('tokens are compared in constant time, every one of them', () => {
  const source = readFileSync('src/http/clients.ts', 'utf8');
  const [byToken = ''] = /byToken\(.*?\n {2}\}\n/s.exec(source) ?? [];
  expect(byToken).toContain('timingSafeEqual(');
  expect(byToken).not.toMatch(/===|\.equals\(|\.compare\(|\bbreak\b|return found;.*return|\.find\(|\.get\(|\.has\(/s);
});
