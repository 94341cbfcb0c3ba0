import { expect, it } from 'vitest';
import { evaluate } from '../../src/evaluation/evaluate.ts';
import { descriptorWith, testRule } from './rule-tester.ts';

const bare = { '/vm/viommu': { model: 'amd' } };
const explicit = { '/vm/viommu': { model: 'amd', pciId: 'amdvi0' } };
const queried = 'non-migratable device: amd-iommu';
const refused = 'Device amd-iommu is not migratable, but --only-migratable was specified';

testRule('viommu-amd-migration', {
  fires: [
    { name: '10.0', given: { ...bare, '/source/qemu': '10.0.2' }, effect: 'blocker', says: queried },
    { name: '11.1', given: { ...bare, '/source/qemu': '11.1.3' }, effect: 'blocker', says: queried },
    { name: 'without a device behind it', given: { ...bare, '/vm/vfio': [] }, effect: 'blocker', says: queried },
    {
      name: '-only-migratable',
      given: { ...bare, '/vm/onlyMigratable': true },
      effect: 'start-failure',
      says: refused,
    },
    {
      name: '-only-migratable, with a PCI device of its own',
      given: { ...explicit, '/vm/onlyMigratable': true, '/source/qemu': '11.1.3' },
      effect: 'start-failure',
      says: refused,
    },
  ],
  clear: [
    { name: 'with a PCI device of its own', given: { ...explicit, '/source/qemu': '11.1.3' } },
    { name: 'another model', given: { '/vm/viommu': { model: 'virtio' } } },
    { name: 'no vIOMMU', given: {} },
  ],
  unknown: [
    { name: 'QEMU unknown', given: { ...explicit, '/source/qemu': undefined }, lacks: ['/source/qemu'] },
    { name: 'a vIOMMU may not be listed', given: { '/closed': false, '/vm/vfio': [] }, lacks: ['/vm/viommu'] },
  ],
});

it('migrate names the vIOMMU before any blocker', () => {
  const given = {
    '/vm/viommu': { model: 'amd', dmaRemap: true },
    '/source/qemu': '11.1.3',
    '/source/devices/dev0/dmaLogging': false,
  };
  const said = evaluate(descriptorWith(given)).findings.filter(({ effect }) => effect === 'blocker');
  expect(said.map(({ messages, reportedBy }) => [messages.queryMigrate, reportedBy.includes('migrate')])).toEqual([
    ["0000:3b:00.1: VFIO device doesn't support device and IOMMU dirty tracking", false],
    [queried, true],
  ]);
  expect(said.at(-1)?.messages.migrate).toBe("State blocked by non-migratable device 'amd-iommu'");
});
