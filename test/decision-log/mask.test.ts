import { describe, expect, it } from 'vitest';
import type { LoggedDecision } from '../../src/decision-log/logged-decision.ts';
import { Mask } from '../../src/decision-log/mask.ts';
import { valueAt } from '../../src/descriptor/pointer.ts';

const input = {
  ref: 'tenant-7',
  vm: {
    name: 'web1',
    memory: '4GiB',
    vfio: [
      { id: 'nic', host: '0000:3b:00.1', mappings: [{ iova: '0x0', pageSize: 4096, count: 1 }] },
      { id: 'gpu', host: '0000:3b:00.11' },
    ],
    runtime: {
      blockedReasons: ['0000:3b:00.1: VFIO migration is not supported', '0000:3b:00.11: no', 'a0000:3b:00.1b: no'],
    },
  },
  source: { qemu: '11.1.3', devices: { nic: { driver: 'mlx5_vfio_pci' }, gpu: {} } },
  destination: { devices: { nic: { driver: 'vfio-pci' } } },
};

const line: LoggedDecision = {
  decisionId: 'a'.repeat(64),
  requestId: 'r',
  traceId: 't',
  time: '2026-01-31T09:00:00.000Z',
  verdict: 'blocked',
  because: ['blocker'],
  rules: [{ rule: 'vfio-viommu', outcome: 'fires' }],
  figures: { largestBitmapBytes: 0 },
  ruleset: '2-x',
  notChecked: ['line 7: web1 has a <tpm>', 'web10 is another'],
  site: ['/source/devices/nic', '/source/devices/nic/driver', '/source/qemu'],
  input,
};

const masked = (patterns: readonly string[], key = 'key'): LoggedDecision => new Mask(patterns, key).applied(line);
const PSEUDONYM = /^masked-[\da-f]{12}$/;

describe('what is masked', () => {
  it.each([
    ['/ref', ['/ref']],
    ['/vm/name', ['/vm/name']],
    ['/vm/vfio/1/host', ['/vm/vfio/1/host']],
    ['/vm/vfio/*/host', ['/vm/vfio/0/host', '/vm/vfio/1/host']],
    ['/source/devices/*/driver', ['/source/devices/nic/driver']],
    ['/*/qemu', ['/source/qemu']],
  ])('%s gets a pseudonym where it is a text', (pattern, places) => {
    const after = masked([pattern]);
    expect(after.masked).toEqual([pattern]);
    for (const place of places) expect(valueAt(after.input, place)).toMatch(PSEUDONYM);
  });

  it.each([
    ['/vm/vfio/*/mappings', '/vm/vfio/0/mappings'],
    ['/vm/vfio/*/mappings/*/count', '/vm/vfio/0/mappings/0/count'],
    ['/destination', '/destination'],
    ['/vm/vfio/1', '/vm/vfio/1'],
  ])('%s is left out where it is none', (pattern, place) => {
    expect(valueAt(input, place)).toBeDefined();
    const after = masked([pattern]);
    expect(valueAt(after.input, place)).toBeUndefined();
    expect(after.masked).toEqual([pattern]);
  });

  it('nothing else changes, and a line in which there is nothing to mask is as it was', () => {
    const { masked: _, ...after } = masked(['/vm/name']);
    const { name } = after.input['vm'] as { name: string };
    const notChecked = [`line 7: ${name} has a <tpm>`, 'web10 is another'];
    expect(after).toEqual({ ...line, notChecked, input: { ...input, vm: { ...input.vm, name } } });
    expect(masked(['/vm/viommu/pciId', '/vm/cpu'])).toEqual(line);
  });

  it('stands nowhere else in the line', () => {
    const text = JSON.stringify(masked(['/ref', '/vm/name', '/vm/vfio/*/host', '/vm/vfio/*/id']));
    for (const word of ['tenant-7', '"web1"', ' web1 ', '"nic"', '/nic', '"gpu"', ':00.1"', '"0000:3b:00.1:']) {
      expect(text).not.toContain(word);
    }
    expect(text).toContain('a0000:3b:00.1b: no');
  });
});

describe('a pseudonym', () => {
  const hostOf = (after: LoggedDecision, index = 0): string => String(valueAt(after.input, `/vm/vfio/${index}/host`));

  it('is the same for the same text and key, and for no other', () => {
    const [first, again, other] = ['key', 'key', 'other'].map((key) => masked(['/vm/vfio/*/host'], key));
    expect(hostOf(first as LoggedDecision)).toBe(hostOf(again as LoggedDecision));
    expect(hostOf(first as LoggedDecision)).not.toBe(hostOf(other as LoggedDecision));
    expect(hostOf(first as LoggedDecision)).not.toBe(hostOf(first as LoggedDecision, 1));
  });

  it('of a device stands in what QEMU says of it, so that the two still agree', () => {
    const after = masked(['/vm/vfio/*/host']);
    expect(valueAt(after.input, '/vm/runtime/blockedReasons')).toEqual([
      `${hostOf(after)}: VFIO migration is not supported`,
      `${hostOf(after, 1)}: no`,
      'a0000:3b:00.1b: no',
    ]);
  });

  it('of an id stands where hosts list what they know of the device, and in the pointers to that', () => {
    const after = masked(['/vm/vfio/*/id']);
    const id = String(valueAt(after.input, '/vm/vfio/0/id'));
    expect(valueAt(after.input, `/source/devices/${id}/driver`)).toBe('mlx5_vfio_pci');
    expect(valueAt(after.input, `/destination/devices/${id}/driver`)).toBe('vfio-pci');
    expect(after.site).toEqual([`/source/devices/${id}`, `/source/devices/${id}/driver`, '/source/qemu']);
  });
});
