import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Pointer, withValueAt } from '../../src/descriptor/pointer.ts';
import { questionAt } from '../../src/descriptor/questions.ts';
import type { Descriptor } from '../../src/descriptor/schema.ts';
import { evaluate } from '../../src/evaluation/evaluate.ts';
import { findingsOf } from '../../src/evaluation/findings.ts';
import { verdicts } from '../../src/evaluation/verdict.ts';
import { qemuReleases } from '../../src/platform/qemu.ts';
import type { Finding } from '../../src/rules/finding.ts';

/** Facts that a caller may not have, of a VM with two devices. */
const MISSING: readonly Pointer[] = [
  '/vm/viommu',
  '/source/qemu',
  '/source/kernel',
  '/source/iommu/dirtyTracking',
  '/source/iommu/addressWidth',
  '/source/iommu/vendor',
  ...['a', 'b'].flatMap((id) =>
    ['protocol', 'stopCopy', 'p2p', 'dmaLogging'].map((field) => `/source/devices/${id}/${field}`),
  ),
  '/destination/qemu',
  '/destination/devices/a/stopCopy',
  '/destination/iommu/dirtyTracking',
];

const device = fc.record({
  backend: fc.constantFrom('legacy' as const, 'iommufd' as const),
  enableMigration: fc.constantFrom('on' as const, 'auto' as const),
  deviceDirtyTracking: fc.constantFrom('on' as const, 'off' as const),
});
const abilities = fc.record({
  protocol: fc.constantFrom('v2' as const, 'none' as const),
  stopCopy: fc.boolean(),
  p2p: fc.boolean(),
  dmaLogging: fc.boolean(),
});

/** A VM of which all is known. */
const complete: fc.Arbitrary<Descriptor> = fc
  .record({
    devices: fc.tuple(device, device),
    can: fc.tuple(abilities, abilities),
    viommu: fc.constantFrom(null, { model: 'intel' as const, addressWidth: 48, cachingMode: true }),
    qemu: fc.constantFrom(...qemuReleases),
    dirtyTracking: fc.boolean(),
    mode: fc.constantFrom('normal' as const, 'cpr-reboot' as const),
    hasDestination: fc.boolean(),
    blockedReasons: fc.constantFrom<(string[] | undefined)[]>(
      undefined,
      undefined,
      undefined,
      [],
      ['a: VFIO migration is not supported in kernel'],
    ),
  })
  .map(({ devices, can, viommu, qemu, dirtyTracking, mode, hasDestination, blockedReasons }) => ({
    // Without a vIOMMU in it there may be one.
    closed: false,
    vm: {
      machine: 'pc-q35-9.2',
      memory: '4GiB',
      viommu,
      runtime: { suspended: mode === 'cpr-reboot', ...(blockedReasons && { blockedReasons }) },
      vfio: [
        { id: 'a', ...devices[0] },
        { id: 'b', ...devices[1] },
      ],
    },
    source: {
      qemu,
      kernel: '6.12',
      // Without it one would be taken for granted of a kernel that is not given.
      iommufd: true,
      iommu: { vendor: 'intel', dirtyTracking, addressWidth: 48 },
      devices: { a: can[0], b: can[1] },
    },
    ...(hasDestination && {
      destination: {
        qemu,
        kernel: '6.12',
        iommu: { vendor: 'intel' as const, dirtyTracking, addressWidth: 48 },
        devices: { a: can[1], b: can[0] },
      },
    }),
    migration: { mode, guestEvents: ['domain-switch'] },
  }));

const completions = (descriptor: Descriptor, missing: readonly Pointer[]): Descriptor[] =>
  missing.reduce<Descriptor[]>(
    (all, pointer) =>
      all.flatMap((each) => questionAt(pointer).values.map((value) => withValueAt(each, pointer, value))),
    [descriptor],
  );

const verdictsOfAll = (descriptors: readonly Descriptor[]) => {
  const met = new Set(descriptors.map((each) => evaluate(each).verdict));
  return verdicts.filter((verdict) => met.has(verdict));
};

describe('a verdict of a VM of which some facts are missing', () => {
  it('is what every completion has in common, or lists what they come to', () => {
    fc.assert(
      fc.property(complete, fc.subarray([...MISSING], { minLength: 1, maxLength: 4 }), (descriptor, chosen) => {
        const missing = chosen.filter((pointer) => descriptor.destination || !pointer.startsWith('/destination'));
        const partial = missing.reduce((each, pointer) => withValueAt(each, pointer, undefined), descriptor);
        const { verdict, possible = [verdict], unknowns } = evaluate(partial);
        expect(possible).toEqual(verdictsOfAll(completions(partial, missing)));
        for (const { pointer, decides = {} } of verdict === 'unknown' ? unknowns : []) {
          const rest = missing.filter((each) => each !== pointer);
          for (const [index, value] of questionAt(pointer).values.entries()) {
            const left = verdictsOfAll(completions(withValueAt(partial, pointer, value), rest));
            expect(Object.values(decides)[index], `${pointer} = ${String(value)}`).toBe(
              left.length === 1 ? left[0] : 'unknown',
            );
          }
        }
      }),
      { numRuns: 60, seed: 11 },
    );
  }, 60_000);

  it('is found anew only where something was lacking, as if all had been', () => {
    const facts = MISSING.filter((pointer) => questionAt(pointer).granted === undefined);
    fc.assert(
      fc.property(complete, fc.subarray(facts, { minLength: 1 }), fc.nat(), (descriptor, chosen, seed) => {
        const missing = chosen.filter((pointer) => descriptor.destination || !pointer.startsWith('/destination'));
        const partial = missing.reduce((each, pointer) => withValueAt(each, pointer, undefined), descriptor);
        // What blocks a QEMU that gave its reasons is known before.
        fc.pre(descriptor.vm.runtime?.blockedReasons === undefined);
        const before = findingsOf(partial, null);
        for (const pointer of missing) {
          const { values } = questionAt(pointer);
          const filled = withValueAt(partial, pointer, values[seed % values.length]);
          const told = (findings: readonly Finding[]): string[] =>
            findings
              .map((each) => [each.rule.id, each.host, each.device, each.outcome, each.effect].join(' '))
              .toSorted();
          expect(told(findingsOf(filled, null, before))).toEqual(told(findingsOf(filled, null)));
        }
      }),
      { numRuns: 200, seed: 11 },
    );
  });
});
