import { Environment } from '@marcbachmann/cel-js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Pointer, withValueAt } from '../../src/descriptor/pointer.ts';
import { resolve } from '../../src/descriptor/scenario.ts';
import type { Descriptor } from '../../src/descriptor/schema.ts';
import { evaluate } from '../../src/evaluation/evaluate.ts';
import { parsePolicy } from '../../src/http/policy-file.ts';
import { conditionOf, namesFor } from '../../src/policy/expression.ts';
import type { PolicyInForce } from '../../src/policy/policy.ts';
import { Context } from '../../src/policy/vocabulary.ts';

/** Questions about the one VM below, by how an expression asks them, and what their answer rests on. */
const ATOMS: Readonly<Record<string, (vm: Descriptor) => boolean>> = {
  "source.qemu >= version('11.0')": ({ source }) => String(source.qemu).startsWith('11.'),
  "source.qemu.between('10.0', '10.2')": ({ source }) => String(source.qemu).startsWith('10.'),
  "devices.exists(d, d.protocol == 'v2' && d.p2p)": ({ source }) => p2ps(source).some(Boolean),
  'devices.all(d, d.p2p)': ({ source }) => p2ps(source).every(Boolean),
  'source.iommu.dirtyTracking': ({ source }) => source.iommu?.dirtyTracking === true,
  "vm.viommu.model == 'intel'": ({ vm }) => vm.viommu?.model === 'intel',
  "vm.memory > bytesOf('2GiB')": () => true,
  'vm.running': () => false,
};
const p2ps = ({ devices = {} }: Descriptor['source']): (boolean | undefined)[] =>
  Object.values(devices).map(({ p2p }) => p2p);

const MISSING: readonly Pointer[] = [
  '/source/qemu',
  '/source/iommu/dirtyTracking',
  '/source/devices/a/p2p',
  '/source/devices/b/p2p',
];

const complete: fc.Arbitrary<Descriptor> = fc
  .record({
    qemu: fc.constantFrom('9.2', '10.0', '10.2', '11.0', '11.1'),
    dirtyTracking: fc.boolean(),
    p2p: fc.tuple(fc.boolean(), fc.boolean()),
    viommu: fc.constantFrom(null, { model: 'intel' as const, addressWidth: 48, cachingMode: true }),
  })
  .map(({ qemu, dirtyTracking, p2p, viommu }) => ({
    vm: { machine: 'pc-q35-9.2', memory: '4GiB', viommu, vfio: [{ id: 'a' }, { id: 'b' }] },
    source: {
      qemu,
      kernel: '6.12',
      iommu: { vendor: 'intel', dirtyTracking, addressWidth: 48 },
      devices: Object.fromEntries(
        ['a', 'b'].map((id, index) => [
          id,
          { protocol: 'v2' as const, stopCopy: true, p2p: p2p[index], dmaLogging: true },
        ]),
      ),
    },
    migration: { guestEvents: [] },
  }));

/** An expression of those, and the same in names. */
interface Asked {
  readonly text: string;
  readonly named: string;
}
const names = Object.keys(ATOMS);
const { asked } = fc.letrec<{ asked: Asked }>((tie) => ({
  asked: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.constantFrom(...names).map((text): Asked => ({ text: `(${text})`, named: `a${names.indexOf(text)}` })),
    tie('asked').map(({ text, named }) => ({ text: `!${text}`, named: `!${named}` })),
    fc
      .tuple(tie('asked'), fc.constantFrom('&&', '||'), tie('asked'))
      .map(([a, op, b]) => ({ text: `(${a.text} ${op} ${b.text})`, named: `(${a.named} ${op} ${b.named})` })),
    fc.tuple(tie('asked'), tie('asked'), tie('asked')).map(([a, b, c]) => ({
      text: `(${a.text} ? ${b.text} : ${c.text})`,
      named: `(${a.named} ? ${b.named} : ${c.named})`,
    })),
  ),
}));

const cel = new Environment();
for (const index of names.keys()) cel.registerVariable(`a${index}`, 'bool');

/** What CEL makes of it where all is known. */
const celSays = ({ named }: Asked, vm: Descriptor): unknown =>
  cel.evaluate(named, Object.fromEntries(names.map((name, index) => [`a${index}`, ATOMS[name]?.(vm)])));

const vocabulary = { names: namesFor('vm'), rules: new Set<string>(), mentions: () => undefined };

function weSay({ text }: Asked, vm: Descriptor) {
  const source = resolve(vm, 'source');
  return conditionOf(text, 'vm', vocabulary).truth(
    new Context({ source, destination: source, findings: [], includeClear: false }),
  );
}

const without = (vm: Descriptor, missing: readonly Pointer[]): Descriptor =>
  missing.reduce((each, pointer) => withValueAt(each, pointer, undefined), vm);

const policyOf = ({ text }: Asked): PolicyInForce =>
  parsePolicy(
    JSON.stringify({
      version: 1,
      rules: [{ id: 'site-x', when: text, verdict: 'risky', message: 'QEMU {source.qemu}' }],
    }),
  ).at(0);

const missing = fc.subarray([...MISSING]);

describe('a rule of the site', () => {
  it('of which all is known is what CEL makes of it', () => {
    fc.assert(
      fc.property(asked, complete, (rule, vm) => {
        expect(weSay(rule, vm)).toMatchObject({ known: true, value: celSays(rule, vm) });
      }),
    );
  });

  it('is never otherwise than it turns out to be, and lacks only what is missing', () => {
    fc.assert(
      fc.property(asked, complete, missing, (rule, vm, lost) => {
        const truth = weSay(rule, without(vm, lost));
        if (truth.known) expect(truth.value).toBe(celSays(rule, vm));
        else expect(lost).toEqual(expect.arrayContaining([...truth.lacks]));
      }),
    );
  });

  it('has the verdict among those that are said to be possible', () => {
    fc.assert(
      fc.property(asked, complete, missing, (rule, vm, lost) => {
        const policy = policyOf(rule);
        const { verdict } = evaluate(vm, { policy, decides: false });
        const open = evaluate(without(vm, lost), { policy, decides: false });
        expect(open.possible ?? [open.verdict]).toContain(verdict);
      }),
      { numRuns: 60 },
    );
  });

  it('is answered with the same bytes each time, by whichever reading of the file', () => {
    fc.assert(
      fc.property(asked, complete, missing, (rule, vm, lost) => {
        const answer = (): string =>
          JSON.stringify(evaluate(without(vm, lost), { policy: policyOf(rule), decides: false }));
        expect(answer()).toBe(answer());
      }),
      { numRuns: 30 },
    );
  });
});
