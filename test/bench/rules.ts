import { resolve } from '../../src/descriptor/scenario.ts';
import type { Descriptor } from '../../src/descriptor/schema.ts';
import { judge } from '../../src/rules/judge.ts';
import { compare, type Row } from './compare.ts';

/** Long rounds: after each collection of garbage V8 learns anew what the short-lived objects look like. */
const REPEATS = 20_000;

/** A VM with eight devices of which all is known and which nothing refuses: every rule is asked, and none fires. */
export function eightDevices(qemu: string): Descriptor {
  const ids = Array.from({ length: 8 }, (_, index) => `vf${index}`);
  return {
    vm: {
      machine: 'pc-q35-9.2',
      memory: '64GiB',
      vfio: ids.map((id, index) => ({
        id,
        host: `0000:3b:00.${index}`,
        type: 'vfio-pci',
        backend: 'legacy',
        enableMigration: 'auto',
      })),
    },
    source: {
      qemu,
      kernel: '6.12',
      pageSize: '4KiB',
      devices: Object.fromEntries(
        ids.map((id) => [
          id,
          { driver: 'mlx5_vfio_pci', protocol: 'v2', stopCopy: true, p2p: true, preCopy: true, dmaLogging: true },
        ]),
      ),
    },
  };
}

/** All rules on a VM with eight devices, from its descriptor on, beside parsing that descriptor. */
export function rulesOnEightDevices(): Row {
  const descriptor = eightDevices('11.1.3');
  const text = JSON.stringify(descriptor);
  // With the last of its objects V8 forgets their shape.
  const kept = resolve(descriptor, 'source');
  let findings = 0;
  const repeat = (job: () => void): void => {
    for (let i = 0; i < REPEATS; i++) job();
  };
  const timings = compare<void>(
    [
      {
        name: 'read facts, apply all rules',
        run: () =>
          repeat(() => {
            findings += judge(resolve(descriptor, 'source')).length;
          }),
      },
      { name: 'JSON.parse', run: () => repeat(() => void JSON.parse(text)) },
    ],
    { rounds: 9, warmUp: 2 },
  );
  if (findings > 0 || kept.devices.length !== 8) throw new Error('a rule fires: that is another path');
  const [rules, parse] = timings as [(typeof timings)[number], (typeof timings)[number]];
  const ratio = rules.median / parse.median;
  return {
    job: `all rules on a VM with 8 devices (${text.length} bytes)`,
    timings,
    each: { of: REPEATS, unit: 'VM' },
    ratios: [`${ratio.toFixed(2)}x as long as JSON.parse`],
    goal: 'at most 3x',
    excess: ratio / 3,
  };
}
