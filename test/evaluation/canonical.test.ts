import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Descriptor } from '../../src/descriptor/schema.ts';
import { addressOf, canonicalForm, decisionIdOf, questionOf } from '../../src/evaluation/canonical.ts';

const vm: Descriptor = {
  vm: { memory: '4GiB', vfio: [{ id: 'dev0', mappings: [{ iova: '0x1000', pageSize: '4KiB', count: 1 }] }] },
  source: { qemu: '10.2.2' },
};
const id = decisionIdOf(vm);

describe('the same question has the same address', () => {
  it.each<[what: string, descriptor: Descriptor]>([
    ['with a ref', { ...vm, ref: 'web1' }],
    ['with a name', { ...vm, vm: { ...vm.vm, name: 'web1' } }],
    ['with its members in another order', { source: vm.source, vm: { vfio: vm.vm.vfio, memory: '4GiB' } }],
    ['with sizes as numbers', { ...vm, vm: { ...vm.vm, memory: 4_294_967_296 } }],
    ['with sizes in hexadecimal', { ...vm, vm: { ...vm.vm, memory: '0x100000000' } }],
    [
      'with addresses in capitals',
      {
        ...vm,
        vm: { memory: '4GiB', vfio: [{ id: 'dev0', mappings: [{ iova: '0X01000', pageSize: '4KiB', count: 1 }] }] },
      },
    ],
  ])('%s', (_what, descriptor) => {
    expect(decisionIdOf(descriptor)).toBe(id);
  });
});

describe('another question has another', () => {
  it.each<[what: string, descriptor: Descriptor]>([
    ['another size', { ...vm, vm: { ...vm.vm, memory: '8GiB' } }],
    ['another QEMU', { ...vm, source: { qemu: '10.2.1' } }],
    ['a device called otherwise', { ...vm, vm: { ...vm.vm, vfio: [{ id: 'dev1' }] } }],
    ['nothing where there was an empty list', { ...vm, vm: { ...vm.vm, otherDevices: [] } }],
  ])('%s', (_what, descriptor) => {
    expect(decisionIdOf(descriptor)).not.toBe(id);
  });
});

it('the address is that of the question', () => {
  expect(addressOf(questionOf(vm))).toBe(id);
  expect(id).toMatch(/^[\da-f]{64}$/);
});

describe('the canonical form', () => {
  it.each<[value: unknown, form: string]>([
    [{ b: 1, a: undefined, A: 'x' }, '{"A":"x","b":1}'],
    [{ 'é"': 'a\tb\u2028', '\n': [] }, '{"\\n":[],"é\\"":"a\\tb\u2028"}'],
    [['8EiB', '16EiB', '4KiB', '4KB', '0x', '-1'], '["0x8000000000000000","16EiB",4096,"4KB","0x","-1"]'],
    [[null, true, -0, 1e21, 0.5], '[null,true,0,1e+21,0.5]'],
    [JSON.parse('{"__proto__":1,"a":{}}'), '{"__proto__":1,"a":{}}'],
  ])('of %j', (value, form) => {
    expect(canonicalForm(value)).toBe(form);
  });

  const reversed = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(reversed);
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(
      Object.entries(value)
        .toReversed()
        .map(([key, each]) => [key, reversed(each)]),
    );
  };

  it('is JSON of the same value, but for quantities, whatever the order of members', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const json = JSON.stringify(value);
        expect(canonicalForm(reversed(value))).toBe(canonicalForm(value));
        // Quantities are told apart above.
        if (/"(?:0[xX][\da-fA-F]+|\d+(?:B|[KMGTPE]iB))"/.test(json)) return;
        expect(JSON.parse(canonicalForm(value))).toEqual(JSON.parse(json));
      }),
      { seed: 5, numRuns: 1000 },
    );
  });
});
