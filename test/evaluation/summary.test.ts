import { describe, expect, it } from 'vitest';
import { evaluate } from '../../src/evaluation/evaluate.ts';
import { descriptorWith, type Given, intel48 } from '../rules/rule-tester.ts';

const of = (given: Given) => evaluate(descriptorWith(given), { decides: false });

const able = { protocol: 'v2', stopCopy: true, p2p: true, preCopy: true, dmaLogging: true };
const unable = { ...able, protocol: 'none' };
const pair = (a: object, b: object): Given => ({
  '/vm/vfio': [{ id: 'a' }, { id: 'b' }],
  '/source/devices': { a, b },
});

describe('the summary', () => {
  it.each<[string, Given, string, cause: string[]]>([
    ['nothing found', {}, 'Nothing that was checked refuses this migration.', []],
    ['a fact missing', { '/source/qemu': undefined }, 'Cannot say without /source/qemu.', ['missing-facts']],
    [
      'three facts missing',
      { '/source/devices': {} },
      'Cannot say without /source/devices/dev0/protocol, /source/devices/dev0/stopCopy, /source/devices/dev0/dmaLogging.',
      ['missing-facts'],
    ],
    [
      'more facts missing',
      pair({}, {}),
      'Cannot say without /source/devices/a/protocol, /source/devices/a/stopCopy, /source/devices/a/dmaLogging and 5 more facts.',
      ['missing-facts'],
    ],
    [
      'a blocker',
      { '/source/devices/dev0': unable },
      'QEMU refuses: The VFIO driver has no migration support (dev0): "0000:3b:00.1: VFIO migration is not supported in kernel".',
      ['blocker'],
    ],
    [
      'two blockers',
      pair(unable, unable),
      'QEMU refuses: The VFIO driver has no migration support (a): "a: VFIO migration is not supported in kernel" (and 1 more).',
      ['blocker'],
    ],
    [
      'a device that does not start',
      { '/vm/vfio/0/enableMigration': 'on', '/source/devices/dev0': unable },
      'QEMU refuses: The VFIO driver has no migration support (dev0): "vfio 0000:3b:00.1: 0000:3b:00.1: VFIO migration is not supported in kernel".',
      ['start-failure'],
    ],
    [
      'a destination that cannot',
      { '/destination': { qemu: '10.2.2', kernel: '6.12', devices: { dev0: unable } } },
      'QEMU refuses: The VFIO driver has no migration support (dev0 on the destination): "0000:3b:00.1: VFIO migration is not supported in kernel".',
      ['migration-failure'],
    ],
    [
      'a refusal without words',
      { '/vm/viommu': { model: 'smmuv3', accel: true }, '/vm/machine': 'virt-10.2' },
      'QEMU refuses: arm-smmuv3 does not take the device (dev0).',
      ['start-failure'],
    ],
    [
      'the VM itself',
      { '/vm/runtime': { dumping: true } },
      'QEMU refuses: The guest’s memory is being dumped: "Live migration disabled: dump-guest-memory in progress".',
      ['blocker'],
    ],
    [
      'what loses data, and nobody says so',
      {
        ...pair(able, { ...able, dmaLogging: false }),
        '/vm/vfio': ['a', 'b'].map((id) => ({ id, backend: 'iommufd', enableMigration: 'on' })),
        '/source/qemu': '10.0',
        '/source/iommu/dirtyTracking': false,
      },
      'QEMU would report success, but: What the device writes during migration is lost (a) (and 1 more).',
      ['data-loss'],
    ],
    [
      'a risk that is accepted',
      {
        '/source/qemu': '11.1.3',
        '/vm/viommu': intel48,
        '/vm/vfio/0/enableMigration': 'on',
        '/source/devices/dev0/dmaLogging': false,
      },
      'QEMU accepts the migration, but: Measuring the dirty rate corrupts what it measures, and may crash QEMU (dev0) (and 3 more).',
      ['guest-event'],
    ],
  ])('of %s', (_name, given, summary, because) => {
    expect(of(given)).toMatchObject({ summary, because });
  });

  it('is as certain as what it rests on', () => {
    expect(of({ '/source/devices/dev0': unable }).confidence).toBe('confirmed');
  });
});

describe('what is assumed', () => {
  it('of how long the last pass takes', () => {
    const given = { '/migration': { parameters: { bandwidth: '1TiB' } } };
    expect(of(given).convergence?.converges).toBe(true);
    expect(of(given).assumptions).toContain('The state of devices, whose size is not known, is not counted.');
  });

  it('of one VM is not said of another that is like it in all but that', () => {
    const assumed = (given: Given) => of({ '/vm/memory': '3GiB', ...given }).assumptions;
    const [before, backends] = [assumed({}), assumed({ '/vm/memoryBackends': [{ size: '1GiB' }] })];
    expect(backends.filter((each) => !before.includes(each))).toHaveLength(1);
    expect(assumed({})).toEqual(before);
  });

  const memory = [
    'The firmware is taken to be SeaBIOS; what VFIO maps under OVMF has not been observed.',
    'Option ROMs end at 0xc0000; other adapters move the borders between 0xc0000 and 0xe8000.',
    'SMRAM and the VAPIC option ROM move borders below 1 MiB while the guest starts.',
    'The VM is taken to have no VGA adapter.',
  ];
  const sync = [
    'dev0, dirty sync: dirtyBytesPerPass at most: the devices write to all that is mapped',
    'dev0, dirty sync: dirtyBytesPerPass at least: the devices write nothing',
  ];
  const older = '/source/qemu is older than 7.2, the first that was studied: nothing is taken for known of it';
  const newer = '/source/qemu is newer than 11.1, the last that was studied: taken to behave like it';
  const bounded = '/source/memory bounds what one allocation of QEMU may have: no swap, vm.overcommit_memory=0';

  it.each<[string, Given, string[]]>([
    ['of a VM of which all is known', {}, [...memory, ...sync]],
    ['of a QEMU that was never studied', { '/source/qemu': '6.0' }, [older]],
    ['of the first that was', { '/source/qemu': '7.2' }, memory],
    ['of the last that was', { '/source/qemu': '11.1.9' }, [...memory, ...sync]],
    ['of one that came later', { '/source/qemu': '11.2' }, [...memory, ...sync, newer]],
    ['of a host that says how much memory it has', { '/source/memory': '64GiB' }, [...memory, ...sync, bounded]],
    ['of a host of which nothing is known', { '/source/qemu': undefined }, []],
  ])('%s', (_name, given, assumptions) => {
    expect(of(given).assumptions).toEqual(assumptions);
  });

  it('behind a vIOMMU: what the guest may map, for each figure, and each way that it may go', () => {
    const { assumptions } = of({ '/vm/viommu': intel48, '/source/devices/dev0/dmaLogging': false });
    const about = new Set(assumptions.map((each) => each.replace(/: .*/, '')));
    expect([...about].filter((each) => each.startsWith('dev0'))).toEqual([
      'dev0, tracking start',
      'dev0, dirty sync',
      'dev0, dma to blocking',
      'dev0, dma to identity',
      'dev0, identity to blocking',
      'dev0, identity to dma',
      'dev0',
    ]);
    expect(assumptions).toContainEqual(
      expect.stringMatching(/^dev0, dma to blocking: .*dirtyBytesLost at least: the guest maps nothing$/),
    );
    expect(new Set(assumptions).size).toBe(assumptions.length);
  });
});
