import { describe, expect, it } from 'vitest';
import { constant } from '../../src/descriptor/fact.ts';
import type { VmDescriptor } from '../../src/descriptor/schema.ts';
import { guestMemoryOf, readSections, withBars } from '../../src/descriptor/sections.ts';
import type { MemorySection } from '../../src/simulator/index.ts';

const MIB = 1n << 20n;
const GIB = 1n << 30n;
const PAGE = 4096n;

const given = (more: Partial<VmDescriptor>): VmDescriptor => ({
  machine: 'pc-q35-10.2',
  memory: '16GiB',
  vfio: [],
  ...more,
});

function sectionsOf(more: Partial<VmDescriptor>, pageSize = PAGE) {
  const sections = readSections({ vm: given(more), source: {} }, constant({ major: 11, minor: 1, micro: 3 }), pageSize);
  if (!sections.known) throw new Error(sections.lacks.join());
  return sections.value;
}

/** From 1 MiB on, without the BIOS. */
const high = (more: Partial<VmDescriptor>): MemorySection[] =>
  sectionsOf(more).sections.filter(({ gpa, readOnly }) => gpa >= MIB && !readOnly);

describe('the sections of memory that VFIO maps', () => {
  it('are cut where one memory backend ends and the next begins', () => {
    expect(high({ memoryBackends: [{ size: '1GiB' }, { size: '9GiB' }, { size: '6GiB' }] })).toEqual([
      { gpa: MIB, size: GIB - MIB, readOnly: false, ramAddress: MIB },
      { gpa: GIB, size: GIB, readOnly: false, ramAddress: GIB },
      { gpa: 4n * GIB, size: 8n * GIB, readOnly: false, ramAddress: 2n * GIB },
      { gpa: 12n * GIB, size: 6n * GIB, readOnly: false, ramAddress: 10n * GIB },
    ]);
  });

  it('are not, where backends do not add up: that is said', () => {
    const { sections, assumptions } = sectionsOf({ memoryBackends: [{ size: '1GiB' }, { size: '9GiB' }] });
    expect(sections).toEqual(sectionsOf({}).sections);
    expect(assumptions).toContain('The memory backends do not add up to the VM’s memory, which is taken to be one.');
  });

  it('follow one another in device memory, virtio-mem aligned to its blocks', () => {
    const plugged = high({
      hotplugged: [
        { model: 'dimm', size: '1GiB' },
        { model: 'virtio-mem', size: '3GiB', blockSize: '2GiB' },
        { model: 'virtio-mem', size: '4MiB' },
        { model: 'virtio-mem', size: 0 },
      ],
    });
    expect(plugged.slice(2)).toEqual([
      { gpa: 18n * GIB, size: GIB, readOnly: false, ramAddress: undefined },
      { gpa: 20n * GIB, size: 4n * GIB, readOnly: false, ramAddress: undefined, blockSize: 2n * GIB },
      { gpa: 24n * GIB, size: 4n * MIB, readOnly: false, ramAddress: undefined, blockSize: 2n * MIB },
    ]);
  });

  it('say what blocks of virtio-mem are taken to be', () => {
    const assumption = 'virtio-mem is taken to be plugged in blocks of 2 MiB.';
    expect(sectionsOf({ hotplugged: [{ model: 'virtio-mem', size: '1GiB' }] }).assumptions).toContain(assumption);
    expect(
      sectionsOf({ hotplugged: [{ model: 'virtio-mem', size: '1GiB', blockSize: '1GiB' }] }).assumptions,
    ).not.toContain(assumption);
  });

  it.each<[name: string, bar: { gpa: string; size: string | number }, expected: object[]]>([
    ['a BAR', { gpa: '0x380000000000', size: '1GiB' }, [{ gpa: 0x3800_0000_0000n, size: GIB, vfioPci: true }]],
    ['one that is no whole page', { gpa: '0x380000000000', size: 512 }, []],
    ['one out of step with pages', { gpa: '0x380000000800', size: '4KiB' }, []],
    ['one that is being sized', { gpa: '0xffffffffc0000000', size: '1GiB' }, []],
    ['none', { gpa: '0x0', size: 0 }, []],
  ])('and BARs: %s', (_name, bar, expected) => {
    const memory = sectionsOf({});
    const mapped = withBars(memory, [{ pciBars: [bar] }], () => true, PAGE);
    expect(mapped.sections.slice(memory.sections.length)).toMatchObject(expected);
    expect(mapped.sections).toHaveLength(memory.sections.length + expected.length);
    expect(mapped.key() === memory.key()).toBe(expected.length === 0);
  });

  it('tell BARs of another container’s devices', () => {
    const own = { pciBars: [{ gpa: '0x380000000000', size: '1GiB' }] };
    const other = { pciBars: [{ gpa: '0x390000000000', size: '1GiB' }] };
    const { sections } = withBars(sectionsOf({}), [own, other], (device) => device === own, PAGE);
    expect(sections.filter(({ vfioPci }) => vfioPci).map(({ foreign = false }) => foreign)).toEqual([false, true]);
  });
});

it('the guest’s memory is what it starts with and what is plugged', () => {
  const hotplugged: VmDescriptor['hotplugged'] = [
    { model: 'dimm', size: '1GiB' },
    { model: 'virtio-mem', size: '3GiB' },
  ];
  expect(guestMemoryOf(given({ hotplugged }))).toBe(20n * GIB);
});
