import { describe, expect, it } from 'vitest';
import type { VmDescriptor } from '../../src/descriptor/schema.ts';
import { type QmpAnswer, readQmp } from '../../src/importers/qmp.ts';

const vm: Partial<VmDescriptor> = { vfio: [{ id: 'hostdev0' }, {}], viommu: { model: 'intel' } };

const facts = (...answers: readonly QmpAnswer[]): unknown =>
  Object.fromEntries(readQmp(answers, vm, '/qmp').facts.map(({ pointer, to }) => [pointer, to]));

const get = (path: string, property: string, value: unknown): QmpAnswer => ({
  execute: 'qom-get',
  arguments: { path, property },
  return: value,
});

const bus = (devices: readonly object[]) => ({ bus: 0, devices });
const region = (address: number, type = 'memory') => ({ bar: 0, type, address, size: 65_536, prefetch: false });

describe('what QEMU answers is a fact of the descriptor', () => {
  it.each<[what: string, answer: QmpAnswer, fact: object]>([
    [
      'reasons that block migration',
      { execute: 'query-migrate', return: { status: 'completed', 'blocked-reasons': ['no'] } },
      { '/vm/runtime/blockedReasons': ['no'] },
    ],
    ['no such reasons', { execute: 'query-migrate', return: {} }, { '/vm/runtime/blockedReasons': [] }],
    [
      'its version',
      {
        execute: 'query-version',
        return: { qemu: { micro: 3, minor: 1, major: 11 }, package: 'Debian 1:11.1.3+ds-1' },
        id: 'libvirt-7',
      },
      { '/source/qemu': '11.1.3' },
    ],
    [
      'BARs of its VFIO devices, behind bridges too, that the guest has placed',
      {
        execute: 'query-pci',
        return: [
          bus([
            { qdev_id: 'other', regions: [region(0x1000)] },
            {
              qdev_id: 'pci.1',
              regions: [],
              pci_bridge: {
                bus: {},
                devices: [
                  { qdev_id: 'hostdev0', regions: [region(0xfe000000), region(-1), region(0xc000, 'io')] },
                  { qdev_id: 'dev1', regions: [region(0x380000000000)] },
                ],
              },
            },
          ]),
        ],
      },
      {
        '/vm/vfio/0/pciBars': [{ gpa: '0xfe000000', size: 65_536 }],
        '/vm/vfio/1/pciBars': [{ gpa: '0x380000000000', size: 65_536 }],
      },
    ],
    ['a width of the vIOMMU', get('/machine/peripheral/iommu0', 'aw-bits', 39), { '/vm/viommu/addressWidth': 39 }],
    ['a switch of it', get('/machine/peripheral/iommu0', 'caching-mode', true), { '/vm/viommu/cachingMode': true }],
    ['a choice of it', get('/machine/peripheral/iommu0', 'intremap', 'off'), { '/vm/viommu/intremap': false }],
    ['a choice that it left to QEMU', get('/machine/peripheral/iommu0', 'eim', 'auto'), {}],
    [
      'a property of a device',
      get('/machine/peripheral/hostdev0', 'enable-migration', 'auto'),
      { '/vm/vfio/0/enableMigration': 'auto' },
    ],
    [
      'one of a device without an id',
      get('/machine/peripheral/dev1', 'x-device-dirty-page-tracking', 'off'),
      { '/vm/vfio/1/deviceDirtyTracking': 'off' },
    ],
    [
      'one that older QEMUs have as a boolean',
      get('/machine/peripheral/hostdev0', 'x-pre-copy-dirty-page-tracking', true),
      { '/vm/vfio/0/preCopyDirtyTracking': 'on' },
    ],
  ])('%s', (_what, answer, fact) => {
    expect(facts(answer)).toEqual({ '/state': 'running', ...fact });
  });

  it('of nothing asked is nothing', () => {
    expect(readQmp([], vm, '/qmp')).toEqual({ facts: [], notes: [], faults: [] });
  });
});

describe('what is not read is said', () => {
  it.each<[what: string, answer: QmpAnswer, note: string]>([
    [
      'another command',
      { execute: 'query-cpus-fast', return: [] },
      'The answer of QEMU to query-cpus-fast is not read.',
    ],
    ['an error', { execute: 'query-migrate', error: { class: 'GenericError' } }, 'QEMU did not answer query-migrate.'],
    [
      'a property that decides nothing',
      get('/machine/peripheral/hostdev0', 'bootindex', 1),
      'QEMU’s bootindex of /machine/peripheral/hostdev0 is not read.',
    ],
    ['a name of every object', get('/machine/peripheral/hostdev0', 'constructor', 1), 'QEMU’s constructor of'],
  ])('%s', (_what, answer, note) => {
    expect(readQmp([answer], vm, '/qmp').notes).toEqual([expect.stringContaining(note)]);
  });
});

describe('what is no answer to the command is a fault', () => {
  it.each<QmpAnswer>([
    { execute: 'query-migrate', return: [] },
    { execute: 'query-migrate', return: { 'blocked-reasons': 'no' } },
    { execute: 'query-version', return: '11.1.3' },
    { execute: 'query-version', return: { qemu: { major: 11 } } },
    { execute: 'query-pci', return: {} },
  ])('%j', (answer) => {
    expect(readQmp([answer], vm, '/qmp').faults).toEqual([
      { pointer: '/qmp/0/return', detail: `is no answer to ${answer.execute}` },
    ]);
  });
});
