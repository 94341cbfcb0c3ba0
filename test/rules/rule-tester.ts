import { describe, expect, it } from 'vitest';
import { type Pointer, withValueAt } from '../../src/descriptor/pointer.ts';
import { type Descriptor, descriptor as schema } from '../../src/descriptor/schema.ts';
import { evaluate } from '../../src/evaluation/evaluate.ts';
import type { DecidedFinding } from '../../src/evaluation/decision.ts';
import { rules } from '../../src/rules/index.ts';
import { casesOf } from '../../src/rules/rule.ts';

/** Changes to {@link migratable}, by the pointer of what changes. */
export type Given = Readonly<Record<Pointer, unknown>>;

interface Firing {
  readonly name: string;
  readonly given: Given;
  readonly effect: DecidedFinding['effect'];
  /** QEMU's words where they are read; `null` where it says nothing. */
  readonly says: string | null;
}

interface Other {
  readonly name: string;
  readonly given: Given;
}

interface Unknown extends Other {
  /** The facts that are missing. */
  readonly lacks: readonly Pointer[];
}

export interface RuleCases {
  readonly fires: readonly Firing[];
  readonly clear: readonly Other[];
  /** Or why the rule is never left open. */
  readonly unknown: readonly Unknown[] | string;
}

/** A VM that nothing refuses: one device that can do everything, no vIOMMU, on a QEMU 10.2.2 of which all is known. */
const migratable: Descriptor = {
  vm: { machine: 'pc-q35-10.2', memory: '4GiB', vfio: [{ id: 'dev0', host: '0000:3b:00.1' }] },
  source: {
    qemu: '10.2.2',
    kernel: '6.12',
    pageSize: '4KiB',
    iommu: { vendor: 'intel', dirtyTracking: false, addressWidth: 48 },
    devices: { dev0: { protocol: 'v2', stopCopy: true, p2p: true, preCopy: true, dmaLogging: true } },
  },
};

export const intel48 = { model: 'intel', addressWidth: 48, cachingMode: true };

/** The descriptor with what is `given` put in its place; `undefined` leaves it out. It must be one that the door lets in. */
export function descriptorWith(given: Given): Descriptor {
  let changed = migratable;
  for (const [pointer, value] of Object.entries(given)) changed = withValueAt(changed, pointer, value);
  return schema.parse(JSON.parse(JSON.stringify(changed)));
}

/** Runs the table of rule `id`; every behaviour value under which the rule can fire must be among the firing cases. */
export function testRule(id: string, { fires, clear, unknown }: RuleCases): void {
  const find = (given: Given): DecidedFinding | undefined =>
    evaluate(descriptorWith(given)).findings.find(({ rule }) => rule === id);

  describe(id, () => {
    it.each(fires)('fires: $name', ({ given, effect, says }) => {
      const finding = find(given);
      expect(finding).toMatchObject({ outcome: 'fires', effect });
      const { start, queryMigrate, migrate } = finding?.messages ?? {};
      expect(start ?? queryMigrate ?? migrate ?? null).toBe(says);
    });

    it.each(clear)('is clear: $name', ({ given }) => {
      expect(find(given)).toBeUndefined();
    });

    if (typeof unknown === 'string') {
      it(`is never unknown: ${unknown}`, () => {
        expect(find({})).toBeUndefined();
      });
    } else {
      it.each(unknown)('is unknown: $name', ({ given, lacks }) => {
        expect(find(given)?.outcome).toBe('unknown');
        const { unknowns } = evaluate(descriptorWith(given));
        expect(unknowns.filter(({ neededBy }) => neededBy.includes(id)).map(({ pointer }) => pointer)).toEqual(lacks);
      });
    }

    it('fires for every value of its behaviour that has words for it', () => {
      const rule = rules.find((each) => each.id === id);
      const pointer = `/source/behaviours/${rule?.behaviour}`;
      const values = fires.map(
        ({ given }) => find(given)?.evidence.find((reading) => reading.pointer === pointer)?.value ?? 'always',
      );
      expect(new Set(values)).toEqual(new Set(rule && Object.keys(casesOf(rule))));
    });
  });
}
