import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { buildApp } from '../../src/app.ts';
import { readConfig } from '../../src/config.ts';
import type { Decision } from '../../src/evaluation/decision.ts';
import { exampleArgv, examples, exampleXml, simulationExamples } from '../../src/http/examples.ts';
import type { ImportAnswer } from '../../src/http/imports-schema.ts';
import type { ProblemBody } from '../../src/http/problems.ts';

const directory = mkdtempSync(join(tmpdir(), 'profiles-'));
const file = join(directory, 'hosts.yaml');
writeFileSync(
  file,
  `hosts:
  gen10:
    qemu: 10.2.2
    kernel: "6.12"
    iommu: { vendor: intel, dirtyTracking: false, addressWidth: 48 }
    devices: { "*": { driver: mlx5_vfio_pci, stopCopy: true, p2p: true, preCopy: true, dmaLogging: false } }
  gen11: { qemu: 11.1.3, kernel: "7.1" }
`,
);
const app = await buildApp(readConfig({ HOST_PROFILES: file }));
afterAll(async () => {
  await app.close();
  rmSync(directory, { recursive: true });
});

async function post<Answer>(url: string, body: unknown, status = 200): Promise<Answer> {
  const payload = typeof body === 'string' ? body : JSON.stringify(body);
  const headers = {
    'content-type': typeof body === 'string' ? 'application/x-www-form-urlencoded' : 'application/json',
  };
  const answer = await app.inject({ method: 'POST', url, payload, headers });
  expect([answer.statusCode, answer.payload]).toEqual([status, expect.anything()]);
  return answer.json();
}

const evaluate = (body: unknown, query = ''): Promise<Decision> => post(`/v1/evaluations?remedies=false${query}`, body);
const importing = (body: unknown, query = ''): Promise<ImportAnswer> => post(`/v1/imports?${query}`, body);
const refused = (body: unknown, url = '/v1/evaluations'): Promise<ProblemBody> => post(url, body, 400);

const source = { qemu: '10.2.2', kernel: '6.12' };
const enveloped = { import: { format: 'libvirt-xml', document: exampleXml }, source };
const [device] = (await importing(exampleXml)).descriptor.vm.vfio;

describe('an envelope is what its document is with what the envelope says', () => {
  it.each<[what: string, document: unknown]>([
    ['a domain XML', exampleXml],
    ['a command line', exampleArgv],
    ['the arguments of a command', exampleArgv.replaceAll('\\\n', '').trim().split(/ +/)],
    ['a descriptor', { vm: examples['unknown']?.request.vm, source: {} }],
    ['the text of a descriptor', JSON.stringify({ vm: examples['unknown']?.request.vm, source: {} })],
  ])('%s, whose format need not be said', async (_what, document) => {
    const { descriptor } = await importing({ import: { document } });
    const decision = await evaluate({ ref: 'r', import: { document }, source: { ...descriptor.source, ...source } });
    const alone = await evaluate({ ...descriptor, ref: 'r', source: { ...descriptor.source, ...source } });
    expect(decision).toEqual({ ...alone, scope: decision.scope });
    expect(decision.decisionId).toBe(alone.decisionId);
  });

  it('the overlay wins', async () => {
    const { descriptor } = await importing({
      ...enveloped,
      state: 'planned',
      vm: { name: 'other', viommu: { addressWidth: 39 }, vfio: [{ id: 'hostdev0', guestDomain: 'dma' }] },
    });
    expect(descriptor).toMatchObject({
      state: 'planned',
      vm: { name: 'other', viommu: { model: 'intel', addressWidth: 39 }, vfio: [{ ...device, guestDomain: 'dma' }] },
      source,
    });
  });

  it('in a simulation, too', async () => {
    const { events } = simulationExamples['domain-switch-by-step']?.request ?? {};
    const facts = { ...source, iommu: { dirtyTracking: false }, devices: { hostdev0: { dmaLogging: false } } };
    const envelope = { ...enveloped, vm: { vfio: [{ id: 'hostdev0', guestDomain: 'dma' }] }, source: facts, events };
    const { descriptor } = await importing({ ...envelope, events: undefined });
    const { state: _state, ...simulated } = descriptor;
    expect(await post('/v1/simulations', { ...envelope, import: { document: simulated } })).toEqual(
      await post('/v1/simulations', { ...simulated, events }),
    );
  });
});

/** An instance of KubeVirt as `kubectl get -o json` prints it. */
function kubevirt(domain: object): object {
  return {
    apiVersion: 'kubevirt.io/v1',
    kind: 'VirtualMachineInstance',
    spec: {
      domain: {
        cpu: {},
        devices: {
          gpus: [
            { name: 'a', deviceName: 'b' },
            { name: 'c', deviceName: 'd' },
          ],
        },
        ...domain,
      },
    },
  };
}

describe('what is read of a KubeVirt object in an envelope', () => {
  it('came from members of it', async () => {
    const { origins } = await importing({ import: { document: kubevirt({ memory: { guest: '1Gi' } }) }, source });
    expect(origins).toMatchObject({
      '/vm/vfio/1/id': '/import/document/spec/domain/devices/gpus/1',
      '/vm/memory': '/import/document/spec/domain/memory',
    });
  });
});

describe('what is wrong in an envelope is named by the place in it', () => {
  it.each<[what: string, envelope: object, fault: object]>([
    [
      'a line of the document, and where the document is',
      { ...enveloped, import: { document: '<domain>\n<memory>4</memory>\n<devices>' } },
      { pointer: '/import/document', line: 3 },
    ],
    [
      'an argument of the document',
      { import: { document: ['qemu-system-x86_64', '-m', 'lots'] }, source },
      { pointer: '/import/document', detail: expect.stringMatching(/argv\[\d\] of -m/) },
    ],
    [
      'a member of a KubeVirt object',
      { import: { document: kubevirt({ memory: { guest: 'lots' } }) }, source },
      { pointer: '/import/document/spec/domain/memory/guest' },
    ],
    ['no document', { import: {} }, { pointer: '/import/document', detail: 'is required' }],
    ['an unknown format', { import: { format: 'vmx', document: 'a' } }, { pointer: '/import/format' }],
    ['an unknown member', { import: { document: 'a', typ: 1 } }, { pointer: '/import/typ' }],
    ['a document of no format', { import: { document: 'hello' } }, { pointer: '/import/document' }],
    ['a member of the overlay', { ...enveloped, vm: { memory: '12TB?' } }, { pointer: '/vm/memory' }],
    [
      'one that does not exist',
      { ...enveloped, vms: {} },
      { pointer: '/vms', detail: expect.stringContaining('"vm"') },
    ],
    [
      'a member of a device, by its place in the overlay',
      { import: { document: twoDevices() }, source, vm: { vfio: [{ id: 'hostdev1', guestDomain: 'dma?' }] } },
      { pointer: '/vm/vfio/0/guestDomain' },
    ],
    [
      'a device that the document does not have',
      { ...enveloped, vm: { vfio: [{ id: 'hostdev7' }] } },
      { pointer: '/vm/vfio/0/id', detail: 'nothing imported is called "hostdev7"; the nearest is "hostdev0"' },
    ],
    [
      'what is missing, where it belongs',
      { import: { document: { vm: { vfio: [] } } } },
      { pointer: '/vm/memory', detail: 'is required' },
    ],
    [
      'what the document says',
      { import: { document: { vm: { memory: 0, vfio: [] }, source: {} } } },
      { pointer: '/import/document', detail: '/vm/memory: a VM has memory' },
    ],
    [
      'an answer of QMP that is none',
      { ...enveloped, qmp: [{ execute: 'query-version', return: 1 }] },
      { pointer: '/qmp/0/return', detail: 'is no answer to query-version' },
    ],
    [
      'a value that QEMU cannot have',
      { ...enveloped, qmp: [{ execute: 'qom-get', arguments: { path: '/a', property: 'aw-bits' }, return: 'x' }] },
      { pointer: '/qmp/0/return', detail: 'must be integer' },
    ],
    ['a QMP that is no list', { ...enveloped, qmp: {} }, { pointer: '/qmp', detail: 'must be array' }],
  ])('%s', async (_what, envelope, fault) => {
    expect((await refused(envelope)).errors).toEqual(expect.arrayContaining([expect.objectContaining(fault)]));
  });

  it('two VMs where there may be one', async () => {
    const document = `<domains>${exampleXml}${exampleXml}</domains>`;
    expect((await refused({ import: { document }, source })).errors).toEqual([
      expect.objectContaining({ pointer: '/import/document', detail: expect.stringContaining('a second') }),
    ]);
  });
});

function twoDevices(): string {
  const [hostdev = ''] = /<hostdev.*<\/hostdev>/s.exec(exampleXml) ?? [];
  return exampleXml.replace('</hostdev>', `</hostdev>${hostdev.replace("function='0x1'", "function='0x2'")}`);
}

describe('what the running QEMU says', () => {
  const reason = '0000:3b:00.1: Migration is currently not supported with vIOMMU enabled';
  const migrate = (reasons?: readonly string[]) => ({
    execute: 'query-migrate',
    return: { status: 'none', ...(reasons && { 'blocked-reasons': reasons }) },
  });
  const version = (major: number, minor: number, micro: number) => ({
    execute: 'query-version',
    return: { qemu: { major, minor, micro }, package: '' },
  });

  it('of reasons is compared with what is predicted', async () => {
    const facts = {
      kernel: '6.12',
      iommu: { addressWidth: 48 },
      devices: { hostdev0: { stopCopy: true, p2p: true, preCopy: true } },
    };
    const asked = { import: { document: exampleXml }, source: facts };
    const outcomes = async (reasons?: readonly string[]) => {
      const { findings } = await evaluate({ ...asked, qmp: [version(10, 2, 2), migrate(reasons)] });
      return findings.flatMap(({ effect, outcome, rule }) => (effect === 'blocker' ? [[rule, outcome]] : []));
    };
    expect(await outcomes([reason])).toEqual([['vfio-viommu', 'fires']]);
    expect(await outcomes()).toEqual([['vfio-viommu', 'contradicted']]);
    expect(await outcomes([reason, 'no idea'])).toEqual([
      ['vfio-viommu', 'fires'],
      ['runtime-blocked-reason', 'contradicted'],
    ]);
    const text = (await app.inject('/metrics')).payload;
    expect(text).toContain('preflight_agreement_total{outcome="agrees"} 1\n');
    expect(text).toContain('preflight_agreement_total{outcome="contradicted"} 2\n');
  });

  it('wins over the document, which is said', async () => {
    const get = {
      execute: 'qom-get',
      arguments: { path: '/machine/peripheral/iommu0', property: 'aw-bits' },
      return: 39,
    };
    const { descriptor, origins, notRead } = await importing({ ...enveloped, qmp: [get] });
    expect(descriptor.vm.viommu?.addressWidth).toBe(39);
    expect(origins['/vm/viommu/addressWidth']).toBe('QEMU’s answer at /qmp/0/return');
    expect(notRead).toContain(
      'The document says otherwise of /vm/viommu/addressWidth than QEMU at /qmp/0/return: QEMU’s word counts.',
    );
  });

  it('must not differ from what the caller says', async () => {
    const { errors } = await refused({ ...enveloped, state: 'planned', qmp: [version(11, 1, 3)] });
    expect(errors).toEqual([
      { pointer: '/state', detail: 'QEMU says otherwise at /qmp' },
      { pointer: '/source/qemu', detail: 'QEMU says otherwise at /qmp/0/return' },
    ]);
  });

  it('of its version is less than a distribution says', async () => {
    const own = { ...source, qemu: '1:10.2.2+ds-1' };
    const { descriptor } = await importing({ ...enveloped, source: own, qmp: [version(10, 2, 2)] });
    expect(descriptor.source.qemu).toBe('1:10.2.2+ds-1');
  });

  it('counts with a plain descriptor, too', async () => {
    const request = examples['vfio-behind-viommu']?.request;
    const decision = await evaluate({ ...request, qmp: [version(10, 2, 2), migrate([reason])] });
    expect(decision.findings.find(({ rule }) => rule === 'vfio-viommu')?.outcome).toBe('contradicted');
  });
});

describe('an import shows the descriptor, and where each member came from', () => {
  it('of a domain XML', async () => {
    const { format, descriptor, origins } = await importing(exampleXml, 'qemu=10.2.2');
    expect(format).toBe('libvirt-xml');
    expect(descriptor).toMatchObject({
      vm: { memory: '4GiB', vfio: [{ host: '0000:3b:00.1' }] },
      source: { qemu: '10.2.2' },
    });
    expect(origins).toMatchObject({
      '/vm/memory': expect.stringMatching(/^line 3/),
      '/vm/vfio/0/host': expect.stringMatching(/^line 7/),
      '/vm/viommu/addressWidth': expect.stringMatching(/^line 11/),
      '/source/qemu': 'query parameter qemu',
    });
  });

  it('of a command line', async () => {
    const { format, origins } = await importing(exampleArgv);
    expect(format).toBe('qemu-argv');
    expect(origins['/vm/memory']).toMatch(/argv\[\d+\]/);
  });

  it('of a descriptor, which stays as it is', async () => {
    const request = examples['domain-switch']?.request;
    const { format, descriptor, origins } = await importing(request);
    expect({ format, descriptor }).toEqual({ format: 'descriptor', descriptor: request });
    expect(new Set(Object.values(origins))).toEqual(new Set(['as sent']));
  });

  it('and it can be sent instead of the document', async () => {
    const { descriptor } = await importing(exampleXml, 'qemu=10.2.2&kernel=6.12');
    expect((await evaluate(descriptor)).decisionId).toBe(
      (await evaluate(exampleXml, '&qemu=10.2.2&kernel=6.12')).decisionId,
    );
  });
});

describe('host profiles', () => {
  const vm = examples['unknown']?.request.vm;

  it('stand for the facts that they list', async () => {
    const named = await evaluate({ vm, source: { profile: 'gen10' } });
    const { descriptor } = await importing({ vm, source: { profile: 'gen10' } });
    expect(descriptor.source).toEqual({
      ...source,
      iommu: { vendor: 'intel', dirtyTracking: false, addressWidth: 48 },
      devices: { dev0: { driver: 'mlx5_vfio_pci', stopCopy: true, p2p: true, preCopy: true, dmaLogging: false } },
    });
    expect(named.decisionId).toBe((await evaluate(descriptor)).decisionId);
  });

  it('may be named by the query, for the source and the destination', async () => {
    const { descriptor, origins } = await importing(exampleXml, 'source=gen10&destination=gen11');
    expect([descriptor.source.qemu, descriptor.destination?.qemu]).toEqual(['10.2.2', '11.1.3']);
    expect(origins['/source/kernel']).toBe('host profile');
  });

  it('give way to what is said, by the body and by the query', async () => {
    const { descriptor } = await importing(
      { vm, source: { profile: 'gen11', kernel: '6.18' } },
      'source=gen10&qemu=11.0.0',
    );
    expect(descriptor.source).toEqual({ qemu: '11.0.0', kernel: '6.18' });
  });

  it('are of origin site in evidence, and what is said beside them is given', async () => {
    const two = { ...vm, vfio: [{ id: 'dev0' }, { id: 'dev1' }] };
    const asked = { vm: two, source: { profile: 'gen10', devices: { dev1: { dmaLogging: false } } } };
    const { findings } = await evaluate(asked, '&include=clear');
    const origin = (pointer: string): unknown =>
      findings.flatMap(({ evidence }) => evidence).find((reading) => reading.pointer === pointer)?.origin;
    expect(['/source/devices/dev0/dmaLogging', '/source/devices/dev1/dmaLogging', '/vm/viommu'].map(origin)).toEqual([
      'site',
      'given',
      'default',
    ]);
  });

  it('stand for candidates of a placement', async () => {
    interface Placed {
      readonly groups: readonly { candidates: readonly { index: number }[]; findings: readonly Finding[] }[];
      readonly findings: readonly Finding[];
    }
    type Finding = Decision['findings'][number];
    const candidates = [{ host: { profile: 'gen10' } }, { host: { profile: 'gen11' } }];
    const placed = await post<Placed>('/v1/placements', { vm, source: { profile: 'gen10' }, candidates });
    const sites = [placed.findings, ...placed.groups.map(({ findings }) => findings)].map((findings) =>
      findings.some(({ evidence }) => evidence.some(({ origin }) => origin === 'site')),
    );
    expect(sites).toEqual([true, true, false]);
    const wrong = { vm, source: {}, candidates: [...candidates, { host: { profile: 'gen12' } }] };
    expect((await refused(wrong, '/v1/placements')).errors).toEqual([
      { pointer: '/candidates/2/host/profile', detail: unknown },
    ]);
  });

  it('stand for the host of a simulation', async () => {
    const { events } = simulationExamples['domain-switch-by-step']?.request ?? {};
    const bare = { vm: { ...examples['domain-switch']?.request.vm }, events };
    const { descriptor } = await importing({ vm: bare.vm, source: { profile: 'gen10' } });
    expect(await post('/v1/simulations', { ...bare, source: { profile: 'gen10' } })).toEqual(
      await post('/v1/simulations', { ...bare, source: descriptor.source }),
    );
  });

  it('in a batch, with a place in it', async () => {
    const lines = [{ vm }, { vm, source: { profile: 'gen12' } }].map((each) => JSON.stringify(each)).join('\n');
    const answer = await app.inject({ method: 'POST', url: '/v1/evaluations/batch?source=gen10', payload: lines });
    const [first, second] = answer.payload
      .split('\n')
      .map((line) => JSON.parse(line || '{}') as Decision & ProblemBody);
    expect(first?.decisionId).toBe((await evaluate({ vm, source: { profile: 'gen10' } })).decisionId);
    expect(second?.errors).toEqual([{ pointer: '/source/profile', detail: unknown }]);
  });

  const unknown = 'no host profile of this name; there are "gen10", "gen11"; the nearest is "gen10"';

  it.each<[what: string, body: unknown, query: string, fault: object]>([
    ['in the body', { vm, source: { profile: 'gen12' } }, '', { pointer: '/source/profile', detail: unknown }],
    ['in the query', { vm, source: {} }, '?source=gen12', { parameter: 'source', detail: unknown }],
    ['that is no name', { vm, source: { profile: 7 } }, '', { pointer: '/source/profile' }],
  ])('one that there is not, %s, is refused with those that there are', async (_what, body, query, fault) => {
    expect((await refused(body, `/v1/evaluations${query}`)).errors).toEqual([expect.objectContaining(fault)]);
  });
});

describe('?fail-on', () => {
  const blocked = examples['vfio-behind-viommu']?.request;
  const ask = (query: string) =>
    app.inject({ method: 'POST', url: `/v1/evaluations${query}`, payload: blocked as object });

  it.each([
    ['?fail-on=blocked', 409],
    ['?fail-on=unsafe,blocked', 409],
    ['?fail-on=unknown,risky', 200],
    ['', 200],
  ])('%s answers %i with the same body', async (query, status) => {
    const [answer, usual] = await Promise.all([ask(query), ask('')]);
    expect([answer.statusCode, answer.payload, answer.headers['preflight-verdict']]).toEqual([
      status,
      usual.payload,
      'blocked',
    ]);
  });

  it('with a word that is no verdict is refused', async () => {
    expect((await ask('?fail-on=bad')).json()).toMatchObject({ status: 400, errors: [{ parameter: 'fail-on' }] });
  });
});
