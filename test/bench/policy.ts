import { readFileSync } from 'node:fs';
import type { Descriptor } from '../../src/descriptor/schema.ts';
import { evaluate } from '../../src/evaluation/evaluate.ts';
import { parsePolicy } from '../../src/http/policy-file.ts';
import { ALONE, collectGarbage, compare, cpuClock, type Row } from './compare.ts';
import { eightDevices } from './rules.ts';

const REPEATS = 500;

/** What sites ask. */
const CONDITIONS = [
  "vm.viommu.model != 'none' && source.qemu.between('11.0', '11.1') && migration.mayHappen('dirty-rate')",
  "vm.memory > bytesOf('1TiB') && !('large' in vm.labels)",
  "devices.exists(d, d.type == 'mdev' && d.backend == 'legacy')",
  "containers.exists(c, c.tracker == 'type1') && figures.atLeast.dirtyBytesPerPass > bytesOf('64GiB')",
  "destination.qemu < source.qemu || destination.kernel < version('5.10')",
  "findings.fired('viommu-unmap-credit') && migration.mayHappen('guest-unmap')",
  "'tenant' in vm.labels && vm.labels['tenant'] in ['a', 'b', 'c'] && vm.confidential != 'none'",
  "figures.largestBitmap > bytesOf('256MiB') || figures.unmapCalls > 1000000",
  "source.behaviours.domainUnmap == 'whole' && vm.viommu.addressWidth > 39",
  'devices.size() > 8 || devices.all(d, !d.tracksDirtyPages)',
];

/** A policy of 50 rules; `salt` makes it another. */
const fifty = (salt = 0): string =>
  JSON.stringify({
    version: 1,
    rules: Array.from({ length: 50 }, (_, index) => ({
      id: `site-rule-${index}`,
      when: CONDITIONS[index % CONDITIONS.length],
      verdict: 'risky',
      message: `rule ${salt} of QEMU {source.qemu}`,
    })),
  });

/** Evaluations with a policy of 50 rules beside the same without. */
export function fiftyRules(): Row {
  const behind = JSON.parse(readFileSync('openapi/examples/vfio-behind-viommu.json', 'utf8')) as Descriptor;
  const vms = [eightDevices('11.1.3'), behind];
  const policy = parsePolicy(fifty()).at(0);
  let found = 0;
  const run = (options: Parameters<typeof evaluate>[1]) => () => {
    for (let i = 0; i < REPEATS; i++) for (const vm of vms) found += evaluate(vm, options).findings.length;
  };
  const timings = compare<void>(
    [
      { name: 'with 50 rules in CEL', run: run({ policy }) },
      { name: 'without a policy', run: run({}) },
    ],
    { rounds: 9, warmUp: 2, clock: cpuClock },
  );
  if (found === 0) throw new Error('nothing is found: that is another path');
  const [ruled, plain] = timings as [(typeof timings)[number], (typeof timings)[number]];
  const ratio = ruled.median / plain.median;
  return {
    job: 'evaluations of two VMs, of one and of eight devices',
    timings,
    each: { of: REPEATS * vms.length, unit: 'VM' },
    ratios: [`${ratio.toFixed(2)}x as long`],
    goal: 'at most 3x',
    excess: ratio / 3,
  };
}

const RELOADS = 1000;

/** What 1,000 reloads of a policy of 50 rules, each another, leave behind. */
export function reloads(): Row {
  const text = JSON.stringify(fifty()).length;
  const heap = (): number => {
    collectGarbage();
    return process.memoryUsage().heapUsed;
  };
  const reload = (from: number, to: number): void => {
    for (let salt = from; salt < to; salt++) parsePolicy(fifty(salt));
  };
  reload(0, 100);
  const before = heap();
  reload(100, 100 + RELOADS);
  const each = (heap() - before) / RELOADS;
  return {
    ...ALONE,
    job: `${RELOADS} reloads of a policy of ${text} bytes`,
    ratios: [`${Math.max(0, each).toFixed(0)} bytes left by each`],
    goal: 'at most 1 KiB',
    excess: each / 1024,
  };
}
