import { describe, expect, it } from 'vitest';
import { questionAt } from '../../src/descriptor/questions.ts';
import { resolve } from '../../src/descriptor/scenario.ts';
import type { Descriptor } from '../../src/descriptor/schema.ts';
import { conditionOf, namesFor } from '../../src/policy/expression.ts';
import { Context, type Each, types } from '../../src/policy/vocabulary.ts';
import { judge } from '../../src/rules/judge.ts';

/** A condition that looks at something of each type that has no members. */
const condition: Readonly<Record<string, (text: string) => string>> = {
  int: (text) => `${text} > 0`,
  bool: (text) => text,
  string: (text) => `${text}.size() > 1`,
  Version: (text) => `${text} > version('1')`,
  'map<string, string>': (text) => `${text}.size() > 0`,
};

/** Conditions that between them read everything that can be read of `text`, which is of `type`. */
function conditionsOf(text: string, type: string): string[] {
  const [, item] = /^list<(.+)>$/.exec(type) ?? [];
  if (item !== undefined) return conditionsOf('x', item).map((each) => `${text}.exists(x, ${each})`);
  const known = types.get(type);
  if (!known) return [condition[type]?.(text) ?? 'of no type that is known here'];
  return Object.entries(known.members).flatMap(([name, member]) => conditionsOf(`${text}.${name}`, member.type));
}

const all = (['vm', 'device', 'container'] as const).flatMap((each: Each) =>
  Object.entries(namesFor(each))
    .filter(([name]) => each === 'vm' || name === each)
    .flatMap(([name, type]) => conditionsOf(name, type).map((text) => ({ each, text }))),
);

const device = { id: 'a', host: '0000:3b:00.1' };
const sparse: Readonly<Record<string, Descriptor>> = {
  'nothing is known': { closed: false, vm: { memory: 1, vfio: [device, { backend: 'iommufd' }] }, source: {} },
  'there is no vIOMMU': { vm: { memory: '4GiB', vfio: [device] }, source: {} },
  'there is one': {
    state: 'running',
    vm: { memory: '4GiB', vfio: [device, { ...device, id: 'b', backend: 'iommufd' }], viommu: { model: 'intel' } },
    source: {},
    destination: {},
  },
  'there is one of an old QEMU': {
    vm: { memory: '4GiB', machine: 'q35', vfio: [device], viommu: { model: 'virtio' } },
    source: { qemu: '6.0' },
  },
  'there is a QEMU': { vm: { memory: '4GiB', vfio: [device], viommu: { model: 'amd' } }, source: { qemu: '11.1' } },
  'there is no device': { vm: { memory: '4GiB', vfio: [] }, source: {} },
};

describe('whatever an expression may read', () => {
  it('is all there is', () => {
    expect(all.length).toBeGreaterThan(90);
  });

  it.each(Object.entries(sparse))('is known where %s, or somebody can be asked for it', (_what, descriptor) => {
    const source = resolve(descriptor, 'source');
    const destination = descriptor.destination ? resolve(descriptor, 'destination') : source;
    const context = new Context({ source, destination, findings: judge(source), includeClear: false });
    [context.device] = context.devices;
    [context.container] = context.containers;
    for (const { each, text } of all) {
      if (each !== 'vm' && context[each] === undefined) continue;
      const vocabulary = { names: namesFor(each), rules: new Set<string>(), mentions: () => undefined };
      const truth = conditionOf(text, each, vocabulary).truth(context);
      for (const pointer of truth.known ? [] : truth.lacks) expect(questionAt(pointer).obtain).toBeTruthy();
    }
  });
});
