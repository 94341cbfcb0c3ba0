import { check } from '../../src/descriptor/check.ts';
import { type Pointer, withValueAt } from '../../src/descriptor/pointer.ts';
import { type Descriptor, descriptor as schema } from '../../src/descriptor/schema.ts';
import type { DecidedContainer, Decision } from '../../src/evaluation/decision.ts';
import { decision } from '../../src/evaluation/decision.ts';
import { evaluate } from '../../src/evaluation/evaluate.ts';

/** Changes to {@link tracked}, by the pointer of what changes. */
export type Given = Readonly<Record<Pointer, unknown>>;

/** 16 GiB and one device that type1 tracks, on a QEMU 11.1.3 that lets it migrate. */
const tracked: Descriptor = {
  vm: { machine: 'pc-q35-10.2', memory: '16GiB', vfio: [{ id: 'dev0', host: '0000:3b:00.1', enableMigration: 'on' }] },
  source: {
    qemu: '11.1.3',
    kernel: '6.12',
    pageSize: '4KiB',
    iommu: { vendor: 'intel', dirtyTracking: true, addressWidth: 48 },
    devices: { dev0: { protocol: 'v2', stopCopy: true, p2p: true, preCopy: true, dmaLogging: false } },
  },
};

export const intel48 = { model: 'intel', addressWidth: 48, cachingMode: true };

/** What is decided with what is `given`, as the contract has it. */
export function decided(given: Given = {}): Decision {
  let changed = tracked;
  for (const [pointer, value] of Object.entries(given)) changed = withValueAt(changed, pointer, value);
  const descriptor = schema.parse(JSON.parse(JSON.stringify(changed)));
  const [fault] = check(descriptor);
  if (fault) throw new Error(`${fault.pointer}: ${fault.detail}`);
  return decision.parse(JSON.parse(JSON.stringify(evaluate(descriptor))));
}

/** The first of its containers. */
export function container(given: Given = {}): DecidedContainer {
  const [first] = decided(given).containers;
  if (!first) throw new Error('no container');
  return first;
}

/** As many devices, dev0 and on, that differ in what is `given`; type1 or what they log tracks them. */
export const devices = (given: readonly object[], dmaLogging = false): Given => ({
  '/vm/vfio': given.map((device, index) => ({ id: `dev${index}`, enableMigration: 'on', ...device })),
  '/source/devices': Object.fromEntries(
    given.map((_device, index) => [`dev${index}`, { protocol: 'v2', stopCopy: true, p2p: true, dmaLogging }]),
  ),
});

/** A device behind an intel-iommu of 48 bits that maps `mappings`. */
export const maps = (mappings: readonly object[], viommu: object = intel48): Given => ({
  '/vm/viommu': viommu,
  '/vm/vfio/0/guestDomain': 'dma',
  '/vm/vfio/0/mappings': mappings,
});
