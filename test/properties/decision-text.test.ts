import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { check } from '../../src/descriptor/check.ts';
import { type Descriptor, descriptor as schema } from '../../src/descriptor/schema.ts';
import type { Decision } from '../../src/evaluation/decision.ts';
import { evaluate } from '../../src/evaluation/evaluate.ts';
import { withRemedies } from '../../src/evaluation/remedies.ts';
import { decisionText } from '../../src/report/decision-text.ts';
import { columns, inColour, printable, WIDTH } from '../../src/report/terminal.ts';

const maybe = <T>(values: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(values, { nil: undefined });

/** What a caller may write: words, long ones too, and what a terminal would act on. */
const words = fc.string({
  unit: fc.constantFrom('a', 'b', ' ', '-', 'é', '𝕏', '"', '\u001B', '\n', '\u202E', '\u2028'),
  minLength: 1,
  maxLength: 90,
});

const device = fc.record({
  host: maybe(words),
  backend: maybe(fc.constantFrom('legacy', 'iommufd')),
  enableMigration: maybe(fc.constantFrom('on', 'off', 'auto')),
  deviceDirtyTracking: maybe(fc.constantFrom('on', 'off')),
  guestDomain: maybe(fc.constantFrom('dma', 'identity', 'blocking')),
});

const abilities = fc.record({
  driver: maybe(fc.constantFrom('vfio-pci', 'mlx5_vfio_pci')),
  stopCopy: maybe(fc.boolean()),
  p2p: maybe(fc.boolean()),
  dmaLogging: maybe(fc.boolean()),
});

const host = fc.record({
  qemu: maybe(fc.constantFrom('7.2', '8.0', '8.1', '9.1', '10.2.2', '11.1.3')),
  kernel: maybe(fc.constantFrom('5.4', '6.1', '6.12', '7.1')),
  memlockLimit: maybe(fc.constantFrom('1GiB', '64TiB', 'unlimited')),
  iommu: fc.record({ dirtyTracking: maybe(fc.boolean()), addressWidth: maybe(fc.constantFrom(39, 48)) }),
  devices: fc.record({ dev0: abilities }),
});

const decisions: fc.Arbitrary<Decision> = fc
  .record({
    ref: maybe(words),
    state: maybe(fc.constant('running')),
    vm: fc.record({
      machine: maybe(fc.constantFrom('pc-q35-10.2', 'virt')),
      memory: fc.constantFrom('4GiB', '9TiB'),
      viommu: fc.constantFrom(undefined, null, { model: 'intel', addressWidth: 48, cachingMode: true }),
      vfio: fc.array(device, { minLength: 1, maxLength: 2 }),
      disks: maybe(fc.record({ node: words, format: fc.constant('vmdk') }).map((disk) => [disk])),
      runtime: maybe(fc.record({ blockedReasons: fc.array(words, { maxLength: 2 }) })),
    }),
    source: host,
    destination: maybe(host),
    migration: maybe(
      fc.record({
        parameters: fc.record({ bandwidth: fc.constantFrom('1GiB', '100GiB') }),
        guestEvents: maybe(fc.subarray(['domain-switch', 'hotplug', 'dirty-rate'])),
      }),
    ),
  })
  .map((given): Descriptor => schema.parse(JSON.parse(JSON.stringify(given))))
  .filter((descriptor) => check(descriptor).length === 0)
  .map((descriptor) => withRemedies(descriptor, evaluate(descriptor)));

/** Made once: to look for remedies takes longer than to write them down. */
const made = fc.sample(decisions, { numRuns: 150, seed: 5 });

const holds = (property: (decision: Decision) => void): void => {
  for (const decision of made) property(decision);
};

/** A report as it was before its lines were broken: all that is indented belongs to one line. */
const unbroken = (report: string): string => report.replaceAll(/\n +/g, ' ');

describe('a report', () => {
  it('has no line over the width but for a word that is longer', () => {
    holds((decision) => {
      const long = decisionText(decision)
        .split('\n')
        .filter((line) => columns(line) > WIDTH);
      expect(long.filter((line) => line.trimStart().includes(' '))).toEqual([]);
    });
  });

  it('has every message of a finding, word for word', () => {
    let seen = 0;
    holds((decision) => {
      const report = unbroken(decisionText(decision));
      for (const { outcome, messages } of decision.findings) {
        if (outcome === 'unknown') continue;
        for (const message of Object.values(messages).filter((each) => each !== undefined)) {
          seen++;
          expect(report).toContain(`"${printable(message)}"`);
        }
      }
    });
    expect(seen).toBeGreaterThan(200);
  });

  it('names every finding, every fact that is missing, every change and every assumption', () => {
    holds((decision) => {
      const report = unbroken(decisionText(decision));
      const { findings, unknowns, remedies = [], assumptions, scope } = decision;
      for (const { rule, outcome } of findings) if (outcome !== 'unknown') expect(report).toContain(` ${rule}`);
      for (const { pointer, obtain } of unknowns) {
        expect(report).toContain(` ${pointer} `);
        expect(report).toContain(` Look: ${obtain}`);
      }
      for (const { changes } of remedies) for (const { how } of changes) expect(report).toContain(` ${printable(how)}`);
      for (const each of [...assumptions, ...scope.notChecked]) expect(report).toContain(` - ${printable(each)}`);
    });
  });

  it('has nothing that a terminal acts on, and is the same every time', () => {
    holds((decision) => {
      const report = decisionText(decision);
      expect(report).not.toMatch(/(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
      expect(decisionText(structuredClone(decision))).toBe(report);
      expect(report).not.toMatch(/undefined|NaN|\[object/);
    });
  });

  it('says the same in colour', () => {
    holds((decision) => {
      expect(decisionText(decision, inColour).replaceAll(/\p{Cc}\[\d+m/gu, '')).toBe(decisionText(decision));
    });
  });
});
