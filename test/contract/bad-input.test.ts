import fc from 'fast-check';
import type { InjectOptions, LightMyRequestResponse } from 'fastify';
import { afterAll, describe, expect, it } from 'vitest';
import { buildApp } from '../../src/app.ts';
import { readConfig } from '../../src/config.ts';
import { withValueAt } from '../../src/descriptor/pointer.ts';
import type { Descriptor } from '../../src/descriptor/schema.ts';
import { examples } from '../../src/http/examples.ts';
import type { ProblemBody } from '../../src/http/problems.ts';

const app = await buildApp(readConfig({}));
afterAll(() => app.close());

const valid = examples['domain-switch']?.request as Descriptor;
const URL = '/v1/evaluations';
const SIZE = 'must be a size: a whole number of bytes, "12TiB" or "0x…"';

const json = (payload: string, url = URL): InjectOptions => ({
  method: 'POST',
  url,
  payload,
  headers: { 'content-type': 'application/json' },
});
const argv = (payload: string): InjectOptions => ({
  ...json(payload),
  headers: { 'content-type': 'text/x-qemu-argv' },
});
const xml = (payload: string): InjectOptions => ({ ...json(payload), headers: { 'content-type': 'application/xml' } });

/** A good descriptor with `value` at `pointer`. */
const having = (pointer: string, value: unknown): InjectOptions =>
  json(JSON.stringify(withValueAt(valid, pointer, value)));

/** A good descriptor with a number at `pointer` that JavaScript cannot write. */
const havingNumber = (pointer: string, digits: string): InjectOptions =>
  json(JSON.stringify(withValueAt(valid, pointer, '@')).replace('"@"', digits));

const domain = (inside: string): InjectOptions =>
  xml(`<domain type='kvm'>\n  <name>web1</name>\n  <memory unit='GiB'>4</memory>\n  ${inside}\n</domain>`);

const [device] = valid.vm.vfio;

/** A request; the status it is answered with; and of its first fault the place, and words. */
type Case = readonly [what: string, request: InjectOptions, status: number, place: string, words: string];

const bodies: readonly Case[] = [
  [
    'an unknown field, with the nearest known name',
    having('/vm/viommu/adressWidth', 48),
    400,
    '/vm/viommu/adressWidth',
    'no such member; the nearest known is "addressWidth"',
  ],
  ['an unknown field at the root', having('/vms', {}), 400, '/vms', 'no such member; the nearest known is "vm"'],
  [
    'an unknown behaviour',
    having('/source/behaviours/viommuBlok', 'never'),
    400,
    '/source/behaviours/viommuBlok',
    'no such member; the nearest known is "viommuBlock"',
  ],
  ['a member that is missing', having('/vm/memory', undefined), 400, '/vm/memory', 'is required'],
  ['true for a size', having('/vm/memory', true), 400, '/vm/memory', SIZE],
  ['an object for a list', having('/vm/vfio', {}), 400, '/vm/vfio', 'must be array'],
  ['a name for a vIOMMU', having('/vm/viommu', 'intel'), 400, '/vm/viommu', 'must be object or null'],
  ['a list for a host', having('/source', []), 400, '/source', 'must be object'],
  [
    'a word that is none of the choice',
    having('/vm/vfio/0/enableMigration', true),
    400,
    '/vm/vfio/0/enableMigration',
    'must be one of "on", "off", "auto"',
  ],
  ['12TB?', having('/vm/memory', '12TB?'), 400, '/vm/memory', SIZE],
  ['12 TiB', having('/vm/memory', '12 TiB'), 400, '/vm/memory', SIZE],
  ['a size of 2^64 bytes', having('/vm/memory', '16EiB'), 400, '/vm/memory', 'larger than 2^64 - 1 bytes'],
  [
    'a size of 2^64 + 1 bytes',
    having('/vm/memory', '18446744073709551617B'),
    400,
    '/vm/memory',
    'larger than 2^64 - 1 bytes',
  ],
  ['a number of 2^64 + 1', havingNumber('/vm/memory', '18446744073709551617'), 400, '/vm/memory', SIZE],
  ['a number that JSON cannot hold exactly', havingNumber('/vm/memory', '9007199254740993'), 400, '/vm/memory', SIZE],
  ['a number that overflows to infinity', havingNumber('/vm/memory', '1e400'), 400, '/vm/memory', SIZE],
  ['a negative size', having('/vm/memory', -4096), 400, '/vm/memory', SIZE],
  ['half a byte', having('/vm/memory', 0.5), 400, '/vm/memory', SIZE],
  ['no memory at all', having('/vm/memory', 0), 400, '/vm/memory', 'a VM has memory'],
  ['neither a size nor "unlimited"', having('/source/memlockLimit', 'lots'), 400, '/source/memlockLimit', SIZE],
  ['a page size of 5000', having('/source/pageSize', 5000), 400, '/source/pageSize', 'a page size is a power of two'],
  ['48bit', having('/vm/viommu/addressWidth', '48bit'), 400, '/vm/viommu/addressWidth', 'must be integer'],
  ['an address width of -1', having('/vm/viommu/addressWidth', -1), 400, '/vm/viommu/addressWidth', 'must be >= 1'],
  ['a QEMU without a version', having('/source/qemu', 'newest'), 400, '/source/qemu', 'no version in "newest"'],
  [
    'a number that is no version',
    having('/source/qemu', 11),
    400,
    '/source/qemu',
    'must be a version such as "10.2.2"',
  ],
  [
    'two devices with one id',
    having('/vm/vfio', [device, device]),
    400,
    '/vm/vfio/1/id',
    '"dev0" is the id of /vm/vfio/0 already; ids are unique',
  ],
  [
    'an iommufd object of a legacy device',
    having('/vm/vfio/0/iommufdObject', 'iommufd0'),
    400,
    '/vm/vfio/0/iommufdObject',
    'only a device of backend "iommufd" has an iommufd object',
  ],
  [
    'facts of a device that the VM does not have',
    having('/source/devices/dev1', {}),
    400,
    '/source/devices/dev1',
    'no device in /vm/vfio has this id; the nearest is "dev0"',
  ],
  [
    'mappings that overlap',
    having('/vm/vfio/0/mappings', [
      { iova: '0x0', pageSize: '2MiB', count: 2 },
      { iova: '0x200000', pageSize: '4KiB', count: 1 },
    ]),
    400,
    '/vm/vfio/0/mappings/1',
    'overlaps another mapping',
  ],
  [
    'a mapping past the last address of 48 bits',
    having('/vm/vfio/0/mappings', [{ iova: '0xfffffffffffff000', pageSize: '4KiB', count: 2 }]),
    400,
    '/vm/vfio/0/mappings/0/count',
    'reaches past 2^48 - 1',
  ],
  [
    'an IOVA of 65 bits',
    having('/vm/vfio/0/mappings', [{ iova: '0x10000000000000000', pageSize: '4KiB', count: 1 }]),
    400,
    '/vm/vfio/0/mappings/0/iova',
    'must be a 64-bit hex string',
  ],
  ['a list', json('[]'), 400, '', 'must be object'],
  ['null', json('null'), 400, '', 'must be object'],
  ['a string', json('"vm"'), 400, '', 'must be object'],
  ['a number', json('1'), 400, '', 'must be object'],
  ['brackets 400 000 deep', json('['.repeat(400_000) + ']'.repeat(400_000)), 400, '', 'must be object'],
  [
    '__proto__ at the root',
    json(`{"__proto__":{"source":{}},${JSON.stringify(valid).slice(1)}`),
    400,
    '/__proto__',
    'no such member',
  ],
  [
    '__proto__ for the id of a device',
    json(JSON.stringify(valid).replace('"dev0":', '"__proto__":')),
    400,
    '/source/devices/__proto__',
    'no device in /vm/vfio has this id',
  ],
];

const notJson: readonly Case[] = [
  ['a comma too many', json('{"vm": {,}}'), 400, 'line 1, column 9', 'Value expected'],
  ['a word', json('{\n  "vm": {\n    "memory": nope }}'), 400, 'line 3, column 15', 'Invalid symbol'],
  ['NaN', json('{"vm": {"memory": NaN}}'), 400, 'line 1, column 19', 'Invalid symbol'],
  ['a comment', json('{} // no'), 400, 'line 1, column 4', 'Invalid comment token'],
  ['an end too soon', json('{"vm":'), 400, 'line 1, column 7', 'Value expected'],
  ['two values', json('{}\n{}'), 400, 'line 2, column 1', 'End of file expected'],
  ['brackets 900 000 deep', json('['.repeat(900_000)), 400, 'nowhere', 'nested too deeply to say where'],
];

const notXml: readonly Case[] = [
  ['an element left open', domain('<devices>'), 400, 'line 5, column 1', 'not well-formed XML'],
  [
    'a document type',
    xml('<?xml version="1.0"?>\n<!DOCTYPE domain SYSTEM "x.dtd">\n<domain/>'),
    400,
    'line 2, column 1',
    '<!DOCTYPE is refused',
  ],
  [
    'entities',
    xml('<!DOCTYPE d [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]>\n<domain>&b;</domain>'),
    400,
    'line 1, column 1',
    'neither a document type nor entities may be declared',
  ],
  ['an entity of its own', domain('<title>&a;</title>'), 400, 'line 4, column 10', "Named entity isn't defined: &a;"],
  ['no domain', xml('<network/>'), 400, 'line 1, column 1', 'no <domain>'],
  ['no memory', xml('<domain/>'), 400, 'line 1, column 1', '<domain> has no <memory>'],
  [
    'elements 100 000 deep',
    xml('<a>'.repeat(100_000) + '</a>'.repeat(100_000)),
    400,
    'line 1, column 193',
    'elements are nested more than 64 deep',
  ],
];

const notArgv: readonly Case[] = [
  ['no QEMU', argv('hello'), 400, 'nowhere', 'no word is called qemu-system-…, qemu-kvm or kvm'],
  ['an open quote', argv('qemu-kvm -name \\\n  "web1'), 400, 'line 2, column 3', 'a " that is never closed'],
  [
    'a variable of the shell',
    argv('qemu-kvm -m $SIZE'),
    400,
    'line 1, column 13',
    '$ stands for what only the shell knows',
  ],
  ['a wrong size', argv('qemu-kvm \\\n -m 4Q'), 400, 'line 2, column 5', 'argv[2] of -m: size is "4Q"'],
  ['a wrong size between NULs', argv('qemu-kvm\0-m\x004Q\0'), 400, 'nowhere', 'argv[2] of -m: size is "4Q"'],
  ['a second VM', argv('qemu-kvm\nqemu-kvm'), 400, 'line 2, column 1', 'send one VM at a time'],
];

const queries: readonly Case[] = [
  [
    'an unknown parameter',
    { ...having('/ref', 'a'), url: `${URL}?qmu=10.2.2` },
    400,
    '?qmu',
    'the nearest known is "qemu"',
  ],
  [
    'a QEMU other than the body’s',
    { ...having('/source/qemu', '10.2.2'), url: `${URL}?qemu=9.0.0` },
    400,
    '?qemu',
    'the body says otherwise at /source/qemu',
  ],
  ['a QEMU given twice', json('{}', `${URL}?qemu=9.0.0&qemu=9.1.0`), 400, '?qemu', 'must be a version'],
  ['a QEMU without a version', json('{}', `${URL}?qemu=newest`), 400, '?qemu', 'must be one version'],
  ['an empty QEMU', json('{}', `${URL}?qemu=`), 400, '?qemu', 'must be a version'],
  [
    'another word than clear',
    { ...having('/ref', 'a'), url: `${URL}?include=all` },
    400,
    '?include',
    'must be one of "clear"',
  ],
  [
    'neither true nor false',
    { ...having('/ref', 'a'), url: `${URL}?remedies=1` },
    400,
    '?remedies',
    'must be one of "true", "false"',
  ],
];

/** A good placement with `value` at `pointer`. */
const placing = (pointer: string, value: unknown): InjectOptions => {
  const { vm, source } = valid;
  const request = withValueAt({ vm, source, candidates: [{ host: source }] }, pointer, value);
  return json(JSON.stringify(request), '/v1/placements');
};

const placements: readonly Case[] = [
  ['no candidates', placing('/candidates', undefined), 400, '/candidates', 'is required'],
  ['an empty list', placing('/candidates', []), 400, '/candidates', 'must NOT have fewer than 1 items'],
  [
    'more than a thousand',
    placing(
      '/candidates',
      Array.from({ length: 1001 }, () => ({ host: {} })),
    ),
    400,
    '/candidates',
    'must NOT have more than 1000 items',
  ],
  [
    'a candidate that is no host',
    placing('/candidates/0', { host: 'node1' }),
    400,
    '/candidates/0/host',
    'must be object',
  ],
  ['a destination of its own', placing('/destination', {}), 400, '/destination', 'no such member'],
  ['a fault of the VM', placing('/vm/memory', 0), 400, '/vm/memory', 'a VM has memory'],
  ['a fault of the source', placing('/source/qemu', 'newest'), 400, '/source/qemu', 'no version in "newest"'],
];

const placeOf = ({ pointer, parameter, line, column }: ProblemBody['errors'][number]): string =>
  pointer ??
  (parameter === undefined ? (line === undefined ? 'nowhere' : `line ${line}, column ${column}`) : `?${parameter}`);

function problemIn(answer: LightMyRequestResponse): ProblemBody {
  expect(answer.headers['content-type']).toBe('application/problem+json; charset=utf-8');
  return answer.json();
}

describe('bad input is a problem that names the place', () => {
  describe.each([
    ['a descriptor with', bodies],
    ['JSON with', notJson],
    ['a domain with', notXml],
    ['a command line with', notArgv],
    ['a placement with', placements],
    ['a query with', queries],
  ] as const)('%s', (_kind, cases) => {
    it.each(cases)('%s', async (_what, request, status, place, words) => {
      const answer = await app.inject(request);
      const { errors } = problemIn(answer);
      const [first] = errors;
      expect([answer.statusCode, first && placeOf(first)]).toEqual([status, place]);
      expect(first?.detail).toContain(words);
    });
  });

  it('names every place at once', async () => {
    const answer = await app.inject(json('{"vm":{"memory":"4 GiB","vfio":[{"id":1}],"vioomu":null}}'));
    expect(problemIn(answer).errors.map(placeOf)).toEqual(['/source', '/vm/vioomu', '/vm/memory', '/vm/vfio/0/id']);
  });

  it('names the first place only of a body with too many to collect', async () => {
    const mappings = Array.from({ length: 60_000 }, () => ({ pageSize: [] }));
    const answer = await app.inject(having('/vm/vfio/0/mappings', mappings));
    expect(problemIn(answer).errors.map(placeOf)).toEqual(['/vm/vfio/0/mappings/0/iova']);
  });
});

describe('a request that is refused as a whole', () => {
  it.each<[what: string, request: InjectOptions, status: number, type: string, detail: string]>([
    [
      'an empty body',
      json(''),
      400,
      'empty-body',
      'send a JSON descriptor, a libvirt domain XML, a QEMU command line or a KubeVirt object',
    ],
    [
      'a blank body',
      json(' \n'),
      400,
      'empty-body',
      'send a JSON descriptor, a libvirt domain XML, a QEMU command line or a KubeVirt object',
    ],
    [
      'no body',
      { method: 'POST', url: URL },
      400,
      'empty-body',
      'send a JSON descriptor, a libvirt domain XML, a QEMU command line or a KubeVirt object',
    ],
    [
      'a body over the limit',
      json(' '.repeat(1_048_577)),
      413,
      'body-too-large',
      'the body has more than 1048576 bytes',
    ],
    [
      'a form',
      { ...json('a=b'), headers: { 'content-type': 'application/x-www-form-urlencoded' } },
      415,
      'unsupported-media-type',
      'neither JSON, XML, YAML nor a QEMU command line, and sent as application/x-www-form-urlencoded',
    ],
    ['an unknown path', { url: '/v1/evaluation' }, 404, 'not-found', 'no /v1/evaluation here'],
    ['an unknown path, whatever is sent there', json('{', '/v2'), 404, 'not-found', 'no /v2 here'],
    ['a path that is not well-formed', { url: '/%zz' }, 400, 'bad-request', "'/%zz' is not a valid url component"],
  ])('%s', async (_what, request, status, type, detail) => {
    const answer = await app.inject(request);
    expect(answer.statusCode).toBe(status);
    expect(problemIn(answer)).toMatchObject({ type: `urn:migration-preflight:problem:${type}`, status, detail });
  });

  it.each([
    ['GET', URL, 'POST'],
    ['PUT', URL, 'POST'],
    ['DELETE', URL, 'POST'],
    ['OPTIONS', URL, 'POST'],
    ['POST', '/health/live', 'GET, HEAD'],
    ['PATCH', '/metrics', 'GET, HEAD'],
  ] as const)('%s %s, which takes %s', async (method, url, allow) => {
    const answer = await app.inject({ method, url, ...(method !== 'GET' && { payload: '{' }) });
    expect([answer.statusCode, answer.headers['allow']]).toEqual([405, allow]);
    expect(problemIn(answer).detail).toBe(`${url} takes ${allow}`);
  });
});

describe('what looks bad and is not', () => {
  it.each<[what: string, request: InjectOptions]>([
    ['a byte order mark', json(`\uFEFF${JSON.stringify(valid)}`)],
    [
      'JSON sent as a form, as curl does',
      { ...having('/ref', 'a'), headers: { 'content-type': 'application/x-www-form-urlencoded' } },
    ],
    ['a QEMU as libvirt counts it', having('/source/qemu', 10002002)],
    ['a size in hexadecimal', having('/vm/memory', '0x100000000')],
    ['the largest size', having('/vm/maxMemory', '0xffffffffffffffff')],
    ['a query that agrees with the body', { ...having('/source/qemu', '10.2.2'), url: `${URL}?qemu=10.2.2` }],
    ['a width that QEMU itself refuses', having('/vm/viommu/addressWidth', 57)],
    ['a device called __proto__', json(JSON.stringify(valid).replaceAll('"dev0"', '"__proto__"'))],
    ['a device called constructor', json(JSON.stringify(valid).replaceAll('"dev0"', '"constructor"'))],
  ])('%s', async (_what, request) => {
    expect((await app.inject(request)).statusCode).toBe(200);
  });

  it('a device called __proto__ has the facts that are given of it', async () => {
    const [usual, odd] = await Promise.all(
      ['dev0', '__proto__'].map((id) => app.inject(json(JSON.stringify(valid).replaceAll('"dev0"', `"${id}"`)))),
    );
    expect(odd?.json()).toMatchObject({
      verdict: 'risky',
      summary: usual?.json().summary.replace('dev0', '__proto__'),
    });
  });
});

describe('whatever is sent', () => {
  const rich = {
    ...valid,
    vm: {
      ...valid.vm,
      vfio: [
        { ...device, mappings: [{ iova: '0x0', pageSize: '4KiB', count: 512 }] },
        { backend: 'iommufd', iommufdObject: 'iommufd0' },
      ],
      otherDevices: [{ type: 'virtio-gpu-pci', properties: { virgl: true } }],
    },
    destination: valid.source,
    migration: { parameters: { bandwidth: '1GiB' }, guestEvents: ['domain-switch'] },
  };

  /** The pointers of `node` and of all that is in it. */
  const pointers = (node: unknown, at = ''): string[] => [
    at,
    ...(typeof node === 'object' && node !== null
      ? Object.entries(node).flatMap(([key, value]) => pointers(value, `${at}/${key}`))
      : []),
  ];

  const value = fc.oneof(
    fc.jsonValue({ maxDepth: 2 }),
    fc.constantFrom(
      '0',
      '0x',
      '16EiB',
      '0xffffffffffffffff',
      '10.2',
      'on',
      'dev0',
      'intel',
      'legacy',
      57,
      -1,
      2 ** 53,
      [],
      {},
    ),
  );
  const key = fc.oneof(
    fc.string({ maxLength: 8 }),
    fc.constantFrom('__proto__', 'constructor', 'id', 'vfio', 'behaviours', '-'),
  );
  const mutation = fc.record({ place: fc.nat(), key: fc.option(key), value: fc.option(value, { nil: undefined }) });

  /** `document` with a value replaced, deleted (where there is none) or, under a key, inserted. */
  function mutated(
    document: unknown,
    { place, key: inserted, value: put }: { place: number; key: string | null; value: unknown },
  ): unknown {
    const places = pointers(document);
    const pointer = places[place % places.length] as string;
    return withValueAt(document, inserted === null ? pointer : `${pointer}/${inserted.replaceAll('/', '~1')}`, put);
  }

  /** What is wrong with the answer to `request`: nothing if it is a decision, or a problem that says what it is. */
  async function wrongWith(request: InjectOptions): Promise<string | null> {
    const answer = await app.inject(request);
    if (answer.statusCode === 200) return null;
    if (answer.statusCode >= 500) return `${answer.statusCode}: ${answer.payload}`;
    return problemIn(answer).detail === '' ? 'no detail' : null;
  }

  it('a descriptor with anything changed in it is judged or refused', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(mutation, { minLength: 1, maxLength: 4 }), async (mutations) => {
        expect(await wrongWith(json(JSON.stringify(mutations.reduce(mutated, rich as unknown)) ?? ''))).toBeNull();
      }),
      { seed: 2, numRuns: 400 },
    );
  });

  it('bytes are judged or refused', async () => {
    const types = fc.constantFrom(
      'application/json',
      'application/xml',
      'application/x-www-form-urlencoded',
      'text/*',
      '',
    );
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 256 }).map((each) => Buffer.from(each)),
      fc
        .tuple(fc.constantFrom('<', '{', '[', '<domain>', '<!--'), fc.string())
        .map(([start, rest]) => Buffer.from(start + rest)),
    );
    await fc.assert(
      fc.asyncProperty(bytes, types, async (payload, type) => {
        expect(await wrongWith({ method: 'POST', url: URL, payload, headers: { 'content-type': type } })).toBeNull();
      }),
      { seed: 2, numRuns: 400 },
    );
  });

  it('a query is taken or refused', async () => {
    await fc.assert(
      fc.asyncProperty(fc.webQueryParameters(), async (query) => {
        expect(await wrongWith({ ...having('/ref', 'a'), url: `${URL}?${query}` })).toBeNull();
        expect(await wrongWith({ ...having('/ref', 'a'), url: `${URL}?kernel=${query}` })).toBeNull();
      }),
      { seed: 2, numRuns: 200 },
    );
  });
});
