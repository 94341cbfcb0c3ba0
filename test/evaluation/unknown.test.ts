import { describe, expect, it } from 'vitest';
import { evaluate } from '../../src/evaluation/evaluate.ts';
import { descriptorWith, type Given, intel48 } from '../rules/rule-tester.ts';

/** Of a host IOMMU all that first-stage translation asks for, but who made it. */
const hostIommu = { dirtyTracking: true, addressWidth: 48, firstStage1g: true, errata772415: false, pasidBits: 0 };

const able = { protocol: 'v2', stopCopy: true, p2p: true, dmaLogging: true };
const relaxed = { '/source/qemu': '11.1', '/vm/viommu': intel48 };

describe('an unknown verdict', () => {
  it.each<{ name: string; given: Given; verdict: string; because: string[]; possible?: string[] }>([
    {
      name: 'nothing of the device is known',
      given: { '/source/devices': undefined },
      verdict: 'unknown',
      because: ['missing-facts'],
      possible: ['allowed', 'blocked'],
    },
    {
      name: '11.1, vIOMMU, legacy, auto: blocked by one rule or by the other',
      because: ['blocker'],
      given: { ...relaxed, '/source/devices/dev0/dmaLogging': undefined },
      verdict: 'blocked',
    },
    {
      name: '10.2, vIOMMU: whatever the device can do',
      given: { '/vm/viommu': intel48, '/source/devices': undefined },
      verdict: 'blocked',
      because: ['blocker'],
    },
    {
      name: '11.1, vIOMMU, on: risky without device tracking, refused with it',
      given: { ...relaxed, '/vm/vfio/0/enableMigration': 'on', '/source/devices/dev0/dmaLogging': undefined },
      verdict: 'unknown',
      because: ['missing-facts'],
      possible: ['risky', 'blocked'],
    },
    {
      name: 'QEMU unknown',
      given: { '/source/qemu': undefined },
      verdict: 'unknown',
      because: ['missing-facts'],
      possible: ['allowed', 'blocked'],
    },
    {
      name: 'QEMU older than any that was studied',
      given: { '/source/qemu': '6.2' },
      verdict: 'unknown',
      because: ['missing-facts'],
      possible: ['allowed', 'blocked'],
    },
    {
      name: 'the VM is not described whole: there may be a vIOMMU',
      given: {
        '/closed': false,
        '/source/qemu': '11.1.3',
        '/vm/vfio/0/enableMigration': 'on',
        '/source/devices/dev0/dmaLogging': false,
      },
      verdict: 'unknown',
      because: ['missing-facts'],
      possible: ['allowed', 'risky', 'blocked'],
    },
    {
      name: 'nobody knows how wide QEMU makes the vIOMMU of this machine: first-stage translation takes no 39 bits',
      given: {
        '/vm/machine': 'pc-q35-rhel9.6.0',
        '/vm/viommu': { model: 'intel', cachingMode: true, scalableMode: true, firstStage: true },
        '/vm/vfio/0/backend': 'iommufd',
        '/vm/vfio/0/enableMigration': 'on',
        '/source/qemu': '11.1',
        '/source/iommu': { vendor: 'intel', ...hostIommu },
        '/source/devices/dev0/dmaLogging': false,
      },
      verdict: 'unknown',
      because: ['missing-facts'],
      possible: ['risky', 'blocked'],
    },
    {
      name: 'QEMU older than any that was studied, and every other refuses: the host IOMMU is narrower than the vIOMMU',
      given: {
        '/vm/machine': 'q35',
        '/vm/viommu': { model: 'intel', cachingMode: true },
        '/vm/vfio/0/enableMigration': 'on',
        '/source/qemu': '6.2',
        '/source/iommu': { vendor: 'intel', dirtyTracking: true, addressWidth: 39 },
        '/source/devices/dev0/dmaLogging': false,
      },
      verdict: 'blocked',
      because: ['blocker'],
    },
    {
      name: 'no vendor of the host IOMMU: on Arm this kernel tracks nothing',
      given: {
        '/state': 'running',
        '/vm/viommu': { ...intel48, scalableMode: true, firstStage: true },
        '/vm/runtime': { mounted9p: false },
        '/vm/vfio/0/backend': 'iommufd',
        '/source/qemu': '11.1',
        '/source/kernel': '6.8',
        '/source/iommu': hostIommu,
        '/source/devices/dev0/dmaLogging': false,
      },
      verdict: 'unknown',
      because: ['missing-facts'],
      possible: ['risky', 'blocked'],
    },
    {
      name: 'QEMU unknown, and cpr-reboot, for which newer ones keep no blocker of VFIO’s',
      given: {
        '/vm/machine': 'pc-q35-7.2',
        '/vm/vfio/0/enableMigration': 'off',
        '/vm/runtime': { suspended: true },
        '/source/qemu': undefined,
        '/source/behaviours': { enableMigration: 'on-off-auto' },
        '/migration': { mode: 'cpr-reboot' },
      },
      verdict: 'unknown',
      because: ['missing-facts'],
      possible: ['allowed', 'blocked'],
    },
    { name: 'all is known', given: {}, verdict: 'allowed', because: [] },
  ])('$name', ({ given, verdict, because, possible }) => {
    const decision = evaluate(descriptorWith(given));
    expect(decision.verdict).toBe(verdict);
    expect(decision.possible).toEqual(possible);
    expect(decision.because).toEqual(because);
  });

  it('says which rules refuse either way', () => {
    const { summary } = evaluate(descriptorWith({ ...relaxed, '/source/devices/dev0/dmaLogging': undefined }));
    expect(summary).toBe(
      'QEMU refuses: Nothing tracks what the device writes (dev0), or The device sits behind a vIOMMU (dev0).',
    );
  });

  it('rests on nothing as long as it is open which effect it has', () => {
    const given = { ...relaxed, '/source/qemu': undefined, '/source/behaviours': { viommuBlock: 'each-device' } };
    const { findings } = evaluate(descriptorWith(given));
    expect(findings.find(({ rule }) => rule === 'vfio-viommu')).toMatchObject({ outcome: 'unknown', evidence: [] });
  });

  it('says what each value decides and where to find it', () => {
    const { unknowns } = evaluate(descriptorWith({ '/source/devices/dev0/dmaLogging': undefined }));
    expect(unknowns).toEqual([
      {
        pointer: '/source/devices/dev0/dmaLogging',
        neededBy: ['vfio-dirty-tracking', 'vfio-tracking-start'],
        obtain: 'ioctl VFIO_DEVICE_FEATURE on the device, PROBE of VFIO_DEVICE_FEATURE_DMA_LOGGING_START',
        decides: { true: 'allowed', false: 'blocked' },
      },
    ]);
  });

  it('names values that are no text as JSON does', () => {
    const given = { '/closed': false, '/source/qemu': '11.1.3', '/vm/vfio/0/enableMigration': 'on' };
    const { unknowns } = evaluate(descriptorWith({ ...given, '/source/devices/dev0/dmaLogging': false }));
    expect(unknowns.map(({ pointer, decides }) => [pointer, decides])).toEqual([
      [
        '/vm/viommu',
        {
          null: 'allowed',
          '{"model":"intel","addressWidth":48,"cachingMode":true}': 'risky',
          '{"model":"virtio","addressWidth":48}': 'risky',
          '{"model":"amd","dmaRemap":true}': 'blocked',
        },
      ],
    ]);
  });

  it('asks no device that QEMU denied before whether it blocks, where another is open', () => {
    const given = {
      '/vm/vfio': [{ id: 'a' }, { id: 'b', enableMigration: 'on' }],
      '/vm/runtime': { blockedReasons: [] },
      '/source/devices': { a: { ...able, stopCopy: false }, b: { ...able, stopCopy: undefined } },
    };
    expect(evaluate(descriptorWith(given)).verdict).toBe('allowed');
  });

  it('tells what a value decides of what is asked then, not of a fact that is taken for granted', () => {
    const { unknowns } = evaluate(
      descriptorWith({
        '/vm/vfio/0': { backend: 'iommufd', enableMigration: 'on', deviceDirtyTracking: 'off' },
        '/source': { qemu: '11.0', iommu: { vendor: 'intel' }, devices: { dev0: able } },
      }),
    );
    // Linux 5.10 has no iommufd; but which kernel it is no longer matters, so nobody asks.
    expect(unknowns.find(({ pointer }) => pointer === '/source/iommu/dirtyTracking')?.decides).toEqual({
      true: 'unknown',
      false: 'unsafe',
    });
  });

  it.each([
    ['0', 'b'],
    ['b', '0'],
  ])('is the same whatever devices are called: %s and %s', (...ids) => {
    const decidesOf = (names: readonly string[]) =>
      evaluate(descriptorWith({ '/vm/vfio': names.map((id) => ({ id })), '/source/devices': undefined })).unknowns.map(
        ({ decides }) => decides,
      );
    expect(decidesOf(ids)).toEqual(decidesOf(['a', 'b']));
  });

  it('counts what is taken for granted of a fact only while it is missing', () => {
    const { unknowns } = evaluate(
      descriptorWith({
        '/vm/vfio/0/backend': 'iommufd',
        '/vm/vfio/0/enableMigration': 'on',
        '/source/kernel': undefined,
        '/source/iommu/dirtyTracking': true,
        '/source/devices/dev0/dmaLogging': undefined,
      }),
    );
    // Without iommufd, which a kernel that is not given is taken to have, QEMU does not start; 6.7 tracks in the host IOMMU.
    expect(unknowns.find(({ pointer }) => pointer === '/source/kernel')?.decides).toMatchObject({
      '5.10': 'blocked',
      '6.2': 'unknown',
      '6.14': 'allowed',
    });
  });

  it('gives up a search that would not end, calls possible what it cannot rule out, and says so', () => {
    const vfio = Array.from({ length: 64 }, () => ({}));
    const decision = evaluate(descriptorWith({ '/vm/vfio': vfio, '/source': {} }));
    expect(decision.possible).toEqual(['allowed', 'blocked']);
    expect(decision.assumptions).toContain(
      'too much is unknown to try every completion: what was not tried counts as possible',
    );
  });

  it('tells what each fact decides of the last of eight devices, of none of which anything is known', () => {
    const vfio = Array.from({ length: 8 }, (_, index) => ({ id: `dev${index}` }));
    const decision = evaluate(descriptorWith({ '/vm/vfio': vfio, '/source/devices': undefined }));
    const last = decision.unknowns.filter(({ pointer }) => pointer.startsWith('/source/devices/dev7/'));
    expect(Object.fromEntries(last.map(({ pointer, decides }) => [pointer.split('/').at(-1), decides]))).toEqual({
      protocol: { v2: 'unknown', v1: 'blocked', none: 'blocked' },
      stopCopy: { true: 'unknown', false: 'blocked' },
      p2p: { true: 'unknown', false: 'blocked' },
      dmaLogging: { true: 'unknown', false: 'blocked' },
    });
    expect(decision.assumptions.join()).not.toContain('too much is unknown');
  });

  it('assumes nothing of a QEMU older than any that was studied, and says so', () => {
    expect(evaluate(descriptorWith({ '/source/qemu': '6.2' })).assumptions).toEqual([
      '/source/qemu is older than 7.2, the first that was studied: nothing is taken for known of it',
    ]);
  });

  it('assumes that a newer QEMU is like the newest that was studied, and says so', () => {
    const decision = evaluate(descriptorWith({ '/source/qemu': '12.0', '/source/devices/dev0/dmaLogging': false }));
    expect(decision.assumptions).toEqual(
      expect.arrayContaining(['/source/qemu is newer than 11.1, the last that was studied: taken to behave like it']),
    );
    expect(decision.findings[0]?.evidence[0]).toMatchObject({ origin: 'extrapolated' });
  });
});
