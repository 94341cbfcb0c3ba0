import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { check } from '../../src/descriptor/check.ts';
import { withValueAt } from '../../src/descriptor/pointer.ts';
import { type Descriptor, descriptor as schema } from '../../src/descriptor/schema.ts';
import { efforts } from '../../src/evaluation/changes/edit.ts';
import type { Decision } from '../../src/evaluation/decision.ts';
import { evaluate } from '../../src/evaluation/evaluate.ts';
import { withRemedies } from '../../src/evaluation/remedies.ts';
import { descriptorWith, type Given } from '../rules/rule-tester.ts';

type Remedy = NonNullable<Decision['remedies']>[number];
type Change = Remedy['changes'][number];

const rarely = <T>(values: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.oneof({ arbitrary: fc.constant(undefined), weight: 7 }, { arbitrary: values, weight: 1 });
const maybe = <T>(values: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(values, { nil: undefined });

const vfio = fc.record({
  type: rarely(fc.constantFrom('mdev', 'vfio-user-pci', 'vfio-ap')),
  backend: fc.constantFrom('legacy', 'iommufd'),
  enableMigration: maybe(fc.constantFrom('on', 'off', 'auto')),
  deviceDirtyTracking: maybe(fc.constant('off')),
  multifdTransfer: rarely(fc.constant('on')),
  ramfbMigrate: rarely(fc.constant('on')),
  ats: rarely(fc.constant('on')),
  unpluggedForMigration: rarely(fc.boolean()),
  guestDomain: maybe(fc.constantFrom('dma', 'identity', 'blocking')),
});

const abilities = fc.record({
  protocol: fc.constantFrom('v2', 'v2', 'v2', 'none'),
  stopCopy: fc.constantFrom(true, true, true, false),
  p2p: fc.option(fc.boolean(), { nil: undefined, freq: 9 }),
  dmaLogging: fc.option(fc.boolean(), { nil: undefined, freq: 9 }),
});

const qemu = fc.constantFrom('7.2', '8.0', '8.1', '8.2', '9.0', '9.1', '10.0', '10.2.2', '11.0', '11.1.3');
const kernel = fc.constantFrom('5.4', '6.1', '6.6', '6.12', '7.1');
const iommu = fc.record({ dirtyTracking: maybe(fc.boolean()), addressWidth: maybe(fc.constantFrom(39, 48)) });
const host = (devices: number) =>
  fc.record({
    qemu: fc.option(qemu, { nil: undefined, freq: 9 }),
    kernel: fc.option(kernel, { nil: undefined, freq: 9 }),
    iommu,
    devices: fc
      .array(abilities, { minLength: devices, maxLength: devices })
      .map((each) => Object.fromEntries(each.map((ability, i) => [`dev${i}`, ability]))),
  });

const viommu = fc.record({
  model: fc.constantFrom('intel', 'intel', 'virtio', 'amd', 'smmuv3'),
  addressWidth: fc.constantFrom(39, 48, 48, 57),
  cachingMode: fc.constantFrom(true, true, false),
  scalableMode: rarely(fc.boolean()),
  firstStage: rarely(fc.boolean()),
  snoopControl: rarely(fc.boolean()),
  pasidBits: rarely(fc.constantFrom(0, 20)),
  eim: rarely(fc.boolean()),
  intremap: rarely(fc.boolean()),
});

const models = fc.array(
  fc.record({
    type: fc.constantFrom('virtio-net-pci', 'nvme', 'virtio-crypto-pci', 'ivshmem-plain', 'vhost-scsi-pci', 'usb-mtp'),
  }),
  { maxLength: 3 },
);

/** A VM of one to three devices that something or other may refuse, on one host or two. */
const vms: fc.Arbitrary<Given> = fc.integer({ min: 1, max: 3 }).chain((count) =>
  fc
    .record({
      '/vm/vfio': fc.array(vfio, { minLength: count, maxLength: count }),
      '/vm/memory': fc.constantFrom('4GiB', '4GiB', '9TiB'),
      '/vm/machine': fc.constantFrom('pc-q35-10.2', 'pc-q35-8.0', undefined),
      '/vm/viommu': fc.option(viommu, { nil: undefined, freq: 2 }),
      '/state': rarely(fc.constant('running')),
      '/vm/onlyMigratable': rarely(fc.boolean()),
      '/vm/otherDevices': rarely(models),
      '/vm/disks': rarely(fc.constant([{ node: 'disk0', format: 'vmdk' }])),
      '/vm/cpu': rarely(fc.constant({ invtsc: true })),
      '/vm/confidential': rarely(fc.constant('sev')),
      '/vm/runtime': rarely(
        fc.record({
          dumping: maybe(fc.boolean()),
          poisonedMemory: maybe(fc.boolean()),
          blockedReasons: maybe(fc.constant([])),
        }),
      ),
      '/migration': maybe(
        fc.record({
          mode: rarely(fc.constantFrom('normal', 'cpr-reboot', 'cpr-transfer', 'snapshot')),
          capabilities: rarely(fc.subarray(['postcopy-ram', 'multifd', 'switchover-ack', 'return-path'])),
          guestEvents: maybe(fc.subarray(['unmap', 'domain-switch', 'reset'] as const)),
        }),
      ),
      '/source': host(count),
      '/destination': rarely(host(count)),
    })
    .map((given) => given as Given),
);

/** Whether `change` leaves the VM, and each of its devices, running. */
const leavesRunning = ({ id, pointer }: Change): boolean =>
  /^\/(?:migration|destination)\//.test(pointer) ||
  ['unplug-for-migration', 'detach-device', 'finish-dump', 'suspend-guest'].includes(id);

/** `descriptor` with `changes` made, as somebody who has read the answer makes them. */
function made(descriptor: Descriptor, changes: readonly Change[]): Descriptor {
  let changed = descriptor;
  if (changes.some(({ pointer }) => /^\/(?:vm|source)\//.test(pointer)) && changed.vm.runtime?.blockedReasons) {
    changed = withValueAt(changed, '/vm/runtime/blockedReasons', undefined);
    // It gave them, so it runs.
    changed = withValueAt(changed, '/state', 'running');
  }
  if (!changes.every(leavesRunning)) changed = withValueAt(changed, '/state', undefined);
  for (const { pointer, to } of changes) {
    changed = withValueAt(changed, pointer, to === null && pointer !== '/vm/viommu' ? undefined : to);
  }
  const otherDevices = changed.vm.otherDevices?.filter((each) => each !== undefined);
  return { ...changed, vm: { ...changed.vm, otherDevices } };
}

const ranks = ['allowed', 'risky', 'blocked', 'unsafe', 'unknown'];
const rank = ({ verdict }: Pick<Decision, 'verdict'>): number => ranks.indexOf(verdict);

/** The losses of data that nothing keeps from happening. */
const losses = ({ findings, verdict }: Decision): string[] =>
  verdict === 'blocked'
    ? []
    : findings
        .filter(({ effect, outcome }) => effect === 'data-loss' && outcome !== 'clear')
        .map(({ rule, host: side, device }) => `${rule} ${side} ${device}`);

/** Runs `hold` on each remedy of random VMs, of which enough must have any. */
function ofRemedies(hold: (remedy: Remedy, descriptor: Descriptor, before: Decision) => void): void {
  let tried = 0;
  let seen = 0;
  fc.assert(
    fc.property(vms, (given) => {
      const descriptor = descriptorWith(given);
      fc.pre(check(descriptor).length === 0);
      tried++;
      const before = withRemedies(descriptor, evaluate(descriptor));
      for (const remedy of before.remedies ?? []) {
        seen++;
        hold(remedy, descriptor, before);
      }
    }),
    { numRuns: 300, seed: 4 },
  );
  expect(seen).toBeGreaterThan((tried * 2) / 3);
}

describe('a remedy', () => {
  it('made and judged again has the verdict that it promises, a better one', () => {
    ofRemedies((remedy, descriptor, before) => {
      const changed = made(descriptor, remedy.changes);
      expect(schema.safeParse(JSON.parse(JSON.stringify(changed))).error).toBeUndefined();
      expect(check(changed)).toEqual([]);
      const after = evaluate(changed);
      expect(after.verdict).toBe(remedy.verdict);
      expect(rank(after)).toBeLessThan(before.verdict === 'unknown' ? rank({ verdict: 'blocked' }) : rank(before));
    });
  });

  it('has no change that it does as well without', () => {
    ofRemedies((remedy, descriptor, before) => {
      for (const id of new Set(remedy.changes.map((change) => change.id))) {
        const fewer = remedy.changes.filter((change) => change.id !== id);
        if (fewer.length === 0) continue;
        const after = evaluate(made(descriptor, fewer));
        const isRemedy = losses(after).every((loss) => losses(before).includes(loss));
        expect(isRemedy && rank(after) <= rank(remedy)).toBe(false);
      }
    });
  });

  it('makes no loss of data reachable that was not', () => {
    ofRemedies((remedy, descriptor, before) => {
      const after = losses(evaluate(made(descriptor, remedy.changes)));
      expect(after.filter((loss) => !losses(before).includes(loss))).toEqual([]);
    });
  });

  it('changes what is not so already, and each place once', () => {
    ofRemedies(({ changes }) => {
      for (const { from, to } of changes) expect(from).not.toEqual(to);
      expect(new Set(changes.map(({ pointer }) => pointer)).size).toBe(changes.length);
    });
  });

  it('comes before those that take more', () => {
    ofRemedies((_remedy, _descriptor, { remedies = [] }) => {
      const highest = remedies.map(({ effort }) => efforts.indexOf(effort));
      expect(highest).toEqual(highest.toSorted((a, b) => a - b));
    });
  });
});
