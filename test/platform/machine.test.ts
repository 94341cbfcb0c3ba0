import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { defaultAddressWidth, parseMachineType } from '../../src/platform/machine.ts';
import { parseVersion } from '../../src/platform/version.ts';

interface Defaults {
  readonly qemu: string;
  readonly machine: string;
  readonly 'intel-iommu'?: { readonly 'aw-bits'?: number };
  readonly 'virtio-iommu-pci'?: { readonly 'aw-bits'?: number };
}

const fixture = new URL('../fixtures/machine-defaults.json.gz', import.meta.url);
const observed = JSON.parse(gunzipSync(readFileSync(fixture)).toString()) as Defaults[];

describe('defaultAddressWidth is what running QEMUs had', () => {
  it.each(observed)('$qemu $machine', ({ machine, 'intel-iommu': intel, 'virtio-iommu-pci': virtio }) => {
    const type = parseMachineType(machine);
    if (!type || typeof type.version === 'string') throw new Error(machine);
    expect(defaultAddressWidth('intel', type.board, type.version)).toBe(intel?.['aw-bits']);
    // QEMU 7.2's virtio-iommu has no such property, and translates all 64 bits.
    expect(defaultAddressWidth('virtio', type.board, type.version)).toBe(virtio?.['aw-bits'] ?? 64);
  });
});

describe('parseMachineType', () => {
  it.each([
    ['pc-q35-10.2', 'q35', parseVersion('10.2')],
    ['pc-i440fx-4.0.1', 'i440fx', parseVersion('4.0.1')],
    ['q35', 'q35', 'newest'],
    ['pc', 'i440fx', 'newest'],
    ['virt-9.0', 'virt', parseVersion('9.0')],
    ['pc-q35-rhel9.6.0', 'q35', 'unknown'],
    ['pc-q35-noble', 'q35', 'unknown'],
  ])('%s', (name, board, version) => {
    expect(parseMachineType(name)).toEqual({ board, version });
  });

  it.each(['microvm', 'isapc', 's390-ccw-virtio-9.0', 'constructor', ''])('%j is of another board', (name) => {
    expect(parseMachineType(name)).toBeUndefined();
  });
});
