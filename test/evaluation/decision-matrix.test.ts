import { describe, expect, it } from 'vitest';
import { evaluate } from '../../src/evaluation/evaluate.ts';
import { descriptorWith, intel48 } from '../rules/rule-tester.ts';

/** What a single device behind a vIOMMU comes to: the rule that refuses it, or that it is let in. */
const blocked = (rule: string) => ({ verdict: 'blocked', because: ['blocker'], rule });
const fails = (rule: string) => ({ verdict: 'blocked', because: ['start-failure'], rule });

const each = ['8.1', '8.2', '9.0', '9.1', '9.2', '10.0', '10.1', '10.2.2'];
const relaxed = ['11.0', '11.1.3'];

/** 9.0 and earlier know nothing of an IOMMU that tracks; what tracks is then the device or nothing. */
const knowsHwpt = (qemu: string): boolean => !['8.1', '8.2', '9.0'].includes(qemu);

/** 8.2 and earlier know nothing of iommufd, and refuse it before anything else. */
const knowsIommufd = (qemu: string): boolean => !['8.1', '8.2'].includes(qemu);

const rows = [
  ...each.flatMap((qemu) =>
    (['legacy', 'iommufd'] as const).flatMap((backend) =>
      [true, false].flatMap((device) =>
        [true, false].map((hwpt) => {
          if (backend === 'iommufd' && !knowsIommufd(qemu)) {
            return {
              qemu,
              backend,
              device,
              hwpt,
              auto: fails('vfio-iommufd-absent'),
              on: fails('vfio-iommufd-absent'),
            };
          }
          const tracks = device || (hwpt && backend === 'iommufd' && knowsHwpt(qemu));
          const auto = blocked(tracks ? 'vfio-viommu' : 'vfio-dirty-tracking');
          return { qemu, backend, device, hwpt, auto, on: fails('vfio-viommu') };
        }),
      ),
    ),
  ),
  ...relaxed.flatMap((qemu) => [
    { qemu, backend: 'iommufd', device: true, hwpt: true, auto: blocked('vfio-viommu'), on: fails('vfio-viommu') },
    { qemu, backend: 'iommufd', device: true, hwpt: false, auto: blocked('vfio-viommu'), on: fails('vfio-viommu') },
    { qemu, backend: 'iommufd', device: false, hwpt: true, auto: 'accepted', on: 'accepted' },
    { qemu, backend: 'iommufd', device: false, hwpt: false, auto: blocked('vfio-dirty-tracking'), on: 'unsafe' },
    { qemu, backend: 'legacy', device: true, hwpt: false, auto: blocked('vfio-viommu'), on: fails('vfio-viommu') },
    { qemu, backend: 'legacy', device: false, hwpt: false, auto: blocked('vfio-dirty-tracking'), on: 'accepted' },
  ]),
  ...relaxed.map((qemu) => ({
    qemu,
    backend: 'legacy',
    device: false,
    hwpt: false,
    memory: '9TiB',
    auto: blocked('vfio-dirty-tracking'),
    on: fails('vfio-ram-limit'),
  })),
].flatMap(({ auto, on, ...row }) => [
  { ...row, enableMigration: 'auto', expected: auto },
  { ...row, enableMigration: 'on', expected: on },
]);

describe('a single device behind a vIOMMU', () => {
  it.each(rows)('$qemu $backend device=$device hwpt=$hwpt $enableMigration', (row) => {
    const decision = evaluate(
      descriptorWith({
        '/vm/viommu': intel48,
        '/vm/memory': 'memory' in row ? row.memory : '4GiB',
        '/vm/vfio/0/backend': row.backend,
        '/vm/vfio/0/enableMigration': row.enableMigration,
        '/source/qemu': row.qemu,
        '/source/kernel': '6.12',
        '/source/iommu/dirtyTracking': row.hwpt,
        '/source/devices/dev0/dmaLogging': row.device,
      }),
    );
    if (typeof row.expected === 'string') {
      // What the guest may do to it afterwards is another rule's.
      expect(decision.verdict).toBe(row.expected === 'accepted' ? 'risky' : row.expected);
      expect(decision.findings.filter(({ effect }) => effect === 'blocker' || effect === 'start-failure')).toEqual([]);
      return;
    }
    const { rule, ...verdict } = row.expected;
    expect(decision).toMatchObject(verdict);
    const said = decision.findings.filter(
      ({ shadowedBy, effect }) => shadowedBy === undefined && (effect === 'blocker' || effect === 'start-failure'),
    );
    expect(said.map((finding) => finding.rule)).toEqual([rule]);
  });
});
