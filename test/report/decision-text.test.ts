import { describe, expect, it } from 'vitest';
import type { DecidedFinding, Decision } from '../../src/evaluation/decision.ts';
import { evaluate, type Options } from '../../src/evaluation/evaluate.ts';
import { withRemedies } from '../../src/evaluation/remedies.ts';
import { decisionText } from '../../src/report/decision-text.ts';
import { inColour } from '../../src/report/terminal.ts';
import { descriptorWith, type Given, intel48 } from '../rules/rule-tester.ts';

function decide(given: Given, options?: Options): Decision {
  const descriptor = descriptorWith(given);
  return withRemedies(descriptor, evaluate(descriptor, options));
}

/** What stands under `heading`, without the blank lines around it; `undefined` if there is no such heading. */
function section(report: string, heading: string): string | undefined {
  const [, under] = report.split(`\n\n${heading}\n\n`);
  return under?.split(/\n\n(?=\S)/)[0]?.trimEnd();
}

/** The device tracks nothing, and is to be migrated all the same. */
const untracked: Given = { '/vm/vfio/0/enableMigration': 'on', '/source/devices/dev0/dmaLogging': false };
/** QEMU 10.2.2 as it would be if it only asked whether the device tracks by itself. */
const relaxed: Given = {
  ...untracked,
  '/vm/viommu': intel48,
  '/source/behaviours': { viommuBlock: 'device-tracking' },
};

describe('a report begins with', () => {
  it.each<[name: string, given: Given, lines: string]>([
    [
      'the verdict, and what made it',
      { '/vm/viommu': intel48 },
      `BLOCKED: QEMU refuses: The device sits behind a vIOMMU (dev0): "0000:3b:00.1:
  Migration is currently not supported with vIOMMU enabled".

Because of: blocker (confirmed)
`,
    ],
    [
      'what the caller calls the VM',
      { '/ref': 'web1' },
      'ALLOWED web1: Nothing that was checked refuses this migration.\n\nCosts\n',
    ],
    [
      'what an unknown verdict can be',
      { '/source/devices/dev0/stopCopy': undefined },
      `UNKNOWN: Cannot say without /source/devices/dev0/stopCopy.

Because of: missing-facts (confirmed)
Can be: allowed or blocked
`,
    ],
  ])('%s', (_name, given, lines) => {
    expect(decisionText(decide(given)).slice(0, lines.length)).toBe(lines);
  });
});

describe('a report has', () => {
  it.each<[name: string, given: Given, heading: string, lines: string]>([
    [
      'a refusal, with what QEMU says at each place',
      { '/vm/viommu': intel48 },
      'Refusals',
      `  vfio-viommu: The device sits behind a vIOMMU
    dev0: blocker by qemu, as migrate is called (confirmed)
    query-migrate, migrate: "0000:3b:00.1: Migration is currently not supported
      with vIOMMU enabled"`,
    ],
    [
      'what refuses behind another refusal after it, and marked',
      { '/vm/vfio/0/enableMigration': 'on', '/vm/viommu': intel48, '/vm/disks': [{ node: 'disk0', format: 'vmdk' }] },
      'Refusals',
      `  vfio-viommu: The device sits behind a vIOMMU
    dev0: start-failure by qemu, as QEMU starts (confirmed)
    start: "vfio 0000:3b:00.1: 0000:3b:00.1: Migration is currently not
      supported with vIOMMU enabled"

  image-format: The image format cannot be used on two hosts in turn
    disk0: blocker by qemu, as migrate is called (confirmed)
    Behind vfio-viommu: cannot happen while that refuses
    query-migrate (not said), migrate (not said): "The vmdk format used by node
      'disk0' does not support live migration"`,
    ],
    [
      'what the destination refuses',
      { '/destination': { qemu: '10.2.2', kernel: '6.12', devices: { dev0: { driver: 'vfio-pci' } } } },
      'Refusals',
      `  vfio-no-migration-support: The VFIO driver has no migration support
    dev0 on the destination: migration-failure by device, while the migration
      runs (confirmed)
    query-migrate: "0000:3b:00.1: VFIO migration is not supported in kernel"`,
    ],
    [
      'hazards by what must happen',
      relaxed,
      'Hazards if the guest moves a device to another domain (domain-switch)',
      `  vfio-unmap: A guest’s domain switch fails the migration
    dev0: migration-failure by qemu, while the migration runs (confirmed)
    migrate: "vfio_container_dma_unmap(0x…, 0x100000000000, 0x100000000000) = -7
      (Argument list too long)"

  viommu-dirty-lost: A guest’s domain switch loses dirty pages
    dev0: data-loss by qemu, and nothing says so (inferred)`,
    ],
    [
      'warnings',
      untracked,
      'Warnings',
      `  vfio-dirty-tracking: Nothing tracks what the device writes
    dev0: warning by device, as QEMU starts (confirmed)
    start: "warning: 0000:3b:00.1: VFIO device doesn't support device and IOMMU
      dirty tracking"`,
    ],
    [
      'what QEMU reports and no rule foresaw among the refusals',
      { '/vm/runtime': { blockedReasons: ['The tea is cold'] } },
      'Refusals',
      `  runtime-blocked-reason: QEMU gives a reason that no rule knows
    blocker by qemu, as migrate is called (confirmed)
    QEMU reports it, no rule foresaw it
    query-migrate, migrate: "The tea is cold"`,
    ],
    [
      'what a rule foresaw and QEMU does not report apart',
      { '/vm/viommu': intel48, '/vm/runtime': { blockedReasons: [] } },
      'Not as QEMU reports it',
      `  vfio-viommu: The device sits behind a vIOMMU
    dev0: blocker by qemu, as migrate is called (confirmed)
    A rule foresaw it, QEMU does not report it
    query-migrate (not said), migrate (not said): "0000:3b:00.1: Migration is
      currently not supported with vIOMMU enabled"`,
    ],
    [
      'what is not known, what it decides, and where to look',
      { '/source/devices/dev0/stopCopy': undefined },
      'Unknown',
      `  /source/devices/dev0/stopCopy
    Decides: allowed if true; blocked if false
    Look: ioctl VFIO_DEVICE_FEATURE on the device, GET of
      VFIO_DEVICE_FEATURE_MIGRATION, flags bit 0
    Needed by: vfio-migration-init`,
    ],
    [
      'what the bug costs, against the limits',
      { ...relaxed, '/vm/vfio/0/guestDomain': 'dma', '/vm/vfio/0/mappings': [], '/source/memlockLimit': '6GiB' },
      'Costs',
      `  container0: dev0 (legacy, in the vIOMMU address space of dev0)
    tracker           type1
    one bitmap        at most 256 MiB, for 8 TiB
    tracking start    succeeds
    each sync         0 queries, 0 ioctls
                      0 B of bitmaps
                      the largest 0 B
                      ░░░░░░░░░░░░░░░░░░░░ 0% of 256 MiB
                      0 B dirty on every pass
    worst switch      dma to identity (whole), the worst of 2
                      30 unmaps, 26 ioctls
                      ≈8.00 GiB of bitmaps
                      the largest 4 GiB
                      ████████████████████▶ over 256 MiB (×16)
                      4 refused
                      the first by qemu: "vfio_container_dma_unmap(0x…,
                      0x100000000000, 0x100000000000) = -7 (Argument list too
                      long)"

    converges         not known
                      0 B dirty on every pass
    locked memory     ≈4.00 GiB
                      █████████████░░░░░░░ 66% of 6 GiB
    DMA entries       7
                      █░░░░░░░░░░░░░░░░░░░ 0% of 65,535`,
    ],
    [
      'bounds of what is up to the guest, and the time that the guest stands still',
      {
        '/vm/vfio/0/backend': 'iommufd',
        '/migration': { parameters: { bandwidth: '1GiB', downtimeLimitMs: 5000 }, guestEvents: [] },
        '/vm/memory': '1GiB',
      },
      'Costs',
      `  container0: dev0 (iommufd, in guest memory)
    tracker           device
    tracking start    succeeds
                      devices log 0x0 + 0x100000000
    each sync         6 queries, 6 ioctls
                      ≈32.03 KiB of bitmaps
                      the largest ≈31.97 KiB
                      0 B to ≈1.00 GiB dirty on every pass

    converges         yes
                      0 B to 1 GiB dirty on every pass
    locked memory     ≈1.00 GiB`,
    ],
  ])('%s', (_name, given, heading, lines) => {
    const decision = decide(given);
    // What lifts a finding is a matter of the rules, and grows.
    const findings = decision.findings.map((finding) => ({ ...finding, liftedBy: [] }));
    expect(section(decisionText({ ...decision, findings }), heading)).toBe(lines);
  });

  it('what lifts a refusal, by the names of the changes', () => {
    const decision = decide({ '/vm/runtime': { blockedReasons: ['The tea is cold'] } });
    const liftedBy: DecidedFinding['liftedBy'] = [
      'bypass-viommu',
      'device-dirty-tracking-off',
      'iommufd',
      'unplug-for-migration',
    ];
    const findings = decision.findings.map((finding) => ({ ...finding, liftedBy }));
    expect(
      section(decisionText({ ...decision, findings }), 'Refusals')
        ?.split('\n')
        .slice(-2),
    ).toEqual(['    Lifted by: bypass-viommu, device-dirty-tracking-off, iommufd,', '      unplug-for-migration']);
  });

  it('remedies, with how they are made, what they cost, and what comes of them', () => {
    const change = { pointer: '/vm/disks/0/format', from: 'vmdk', to: 'qcow2', how: 'qemu-img convert -O qcow2' };
    const remedies: Decision['remedies'] = [
      { changes: [{ ...change, id: 'convert-image' }], effort: 'vm-restart', verdict: 'risky' },
      {
        changes: [
          { ...change, id: 'convert-image' },
          {
            id: 'remove-viommu',
            pointer: '/vm/viommu',
            from: intel48,
            to: null,
            how: 'QEMU: no -device …-iommu; libvirt: no <iommu>; and nothing else that would have to be translated',
            cost: 'The guest has no IOMMU.',
          },
        ],
        effort: 'guest-visible-change',
        verdict: 'allowed',
      },
    ];
    expect(section(decisionText({ ...decide(relaxed), remedies }), 'Remedies, least effort first')).toBe(
      `  1. risky, at the effort of vm-restart
     convert-image (/vm/disks/0/format)
       qemu-img convert -O qcow2

  2. allowed, at the effort of guest-visible-change
     convert-image (/vm/disks/0/format)
       qemu-img convert -O qcow2
     remove-viommu (/vm/viommu)
       QEMU: no -device …-iommu; libvirt: no <iommu>; and nothing else that
         would have to be translated
       Costs: The guest has no IOMMU.`,
    );
  });

  it('rules that do not fire, where they were asked for', () => {
    const report = decisionText(decide({}, { includeClear: true }));
    expect(section(report, 'Rules that do not fire')).toMatch(/^  \S+, .*vfio-viommu,/s);
  });

  it('last what was assumed, what was not checked, and which decision it is', () => {
    const decision = decide(relaxed);
    const report = decisionText(decision);
    const headings = report.match(/(?<=\n\n)\S.*(?=\n\n)/g);
    expect(headings?.slice(-2)).toEqual(['Assumed', 'Not checked']);
    expect(report.endsWith(`\n\nDecision ${decision.decisionId}\nRuleset ${decision.ruleset}\n`)).toBe(true);
  });

  it('no remedies where nobody looked for them, or none is needed', () => {
    const { remedies: _, ...decision } = decide(relaxed);
    expect(decisionText(decision)).not.toContain('Remedies');
    expect(decisionText(decide({}))).not.toContain('Remedies');
    expect(decisionText({ ...decision, remedies: [] })).toContain(
      '\nRemedies, least effort first\n\n  None was found.\n',
    );
  });
});

describe('colours', () => {
  it.each<[name: string, given: Given, first: string]>([
    ['allowed is green', {}, '\u001B[32mALLOWED\u001B[0m: '],
    ['risky is yellow', relaxed, '\u001B[33mRISKY\u001B[0m: '],
    ['unknown is cyan', { '/source/devices/dev0/stopCopy': undefined }, '\u001B[36mUNKNOWN\u001B[0m: '],
    ['blocked is red', { '/vm/viommu': intel48 }, '\u001B[31mBLOCKED\u001B[0m: '],
  ])('%s', (_name, given, first) => {
    expect(decisionText(decide(given), inColour).startsWith(first)).toBe(true);
  });

  it('change nothing else', () => {
    const decision = decide(relaxed);
    const coloured = decisionText(decision, inColour);
    expect(coloured).toContain('\u001B[1mCosts\u001B[0m\n');
    // oxlint-disable-next-line no-control-regex
    expect(coloured.replaceAll(/\u001B\[\d+m/g, '')).toBe(decisionText(decision));
  });
});
