import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Decision } from '../../src/evaluation/decision.ts';
import { evaluate } from '../../src/evaluation/evaluate.ts';
import { placementsOf } from '../../src/evaluation/placements.ts';
import { placementRequest, type PlacementRequest, type Placements } from '../../src/evaluation/placements-schema.ts';
import { descriptorWith, intel48 } from '../rules/rule-tester.ts';

const maybe = <T>(values: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(values, { nil: undefined });

const host = fc.record({
  qemu: maybe(fc.constantFrom('7.2', '8.1', '9.0', '10.2.2', '11.1.3', '12.0')),
  kernel: maybe(fc.constantFrom('6.1', '6.12')),
  memory: maybe(fc.constantFrom('1TiB', 2 ** 40)),
  iommu: maybe(fc.record({ dirtyTracking: maybe(fc.boolean()), addressWidth: maybe(fc.constantFrom(39, 48)) })),
  devices: fc.record({
    dev0: fc.record({
      protocol: maybe(fc.constantFrom('v2', 'none')),
      stopCopy: maybe(fc.boolean()),
      p2p: maybe(fc.boolean()),
      dmaLogging: maybe(fc.boolean()),
    }),
  }),
});

const requests: fc.Arbitrary<PlacementRequest> = fc
  .record({
    vm: fc.record({
      '/vm/viommu': maybe(fc.constantFrom(intel48, { model: 'virtio' })),
      '/vm/vfio/0/backend': fc.constantFrom('legacy', 'iommufd'),
      '/vm/vfio/0/enableMigration': fc.constantFrom('auto', 'on', 'off'),
      '/vm/onlyMigratable': maybe(fc.boolean()),
      '/source': host,
      '/state': maybe(fc.constantFrom('planned', 'running')),
      '/closed': maybe(fc.boolean()),
    }),
    candidates: fc.array(host, { minLength: 1, maxLength: 5 }),
  })
  .map(({ vm, candidates }) => {
    const plain = JSON.parse(JSON.stringify(candidates)) as object[];
    return placementRequest.parse({ ...descriptorWith(vm), candidates: plain.map((each) => ({ host: each })) });
  });

function placed(request: PlacementRequest): Placements {
  const steps = placementsOf(request);
  for (let step = steps.next(); ; step = steps.next()) if (step.done) return step.value;
}

/** What `/v1/evaluations` says with each candidate for the destination. */
const decisions = ({ candidates, ...vm }: PlacementRequest): Decision[] =>
  candidates.map(({ host: destination }) => evaluate({ ...vm, destination }));

const on = (side: 'source' | 'destination', { findings }: Decision): Decision['findings'] =>
  findings.filter((finding) => finding.host === side);

describe('a placement', () => {
  it('says of one candidate what an evaluation says', () => {
    fc.assert(
      fc.property(requests, (request) => {
        const alone = { ...request, candidates: request.candidates.slice(0, 1) };
        const { groups, findings, ruleset } = placed(alone);
        const [decision] = decisions(alone);
        if (!decision) throw new Error('there is one');
        const { verdict, because, possible, confidence, summary } = decision;
        const candidates = [{ index: 0 }];
        expect(groups).toEqual([
          { verdict, because, possible, confidence, summary, candidates, findings: on('destination', decision) },
        ]);
        expect(findings).toEqual(on('source', decision));
        expect(ruleset).toBe(decision.ruleset);
      }),
      { numRuns: 150, seed: 7 },
    );
  });

  it('says of many, each in one group, what evaluations say', () => {
    fc.assert(
      fc.property(requests, (request) => {
        const { groups, invalid } = placed(request);
        const all = decisions(request);
        expect(invalid).toEqual([]);
        const listed = groups.flatMap(({ candidates }) => candidates.map(({ index }) => index));
        expect(listed.toSorted((a, b) => a - b)).toEqual(request.candidates.map((_, index) => index));
        for (const { verdict, because, possible, candidates, findings } of groups) {
          const rules = findings.map(({ rule, device, effect }) => [rule, device, effect]);
          for (const { index } of candidates) {
            const decision = all[index] as Decision;
            expect(decision).toMatchObject({ verdict, because });
            expect(decision.possible).toEqual(possible);
            expect(on('destination', decision).map(({ rule, device, effect }) => [rule, device, effect])).toEqual(
              rules,
            );
          }
        }
      }),
      { numRuns: 100, seed: 8 },
    );
  });

  it('lists the best first', () => {
    const order = ['allowed', 'risky', 'unknown', 'blocked', 'unsafe'];
    fc.assert(
      fc.property(requests, (request) => {
        const ranks = placed(request).groups.map(({ verdict }) => order.indexOf(verdict));
        expect(ranks).toEqual(ranks.toSorted((a, b) => a - b));
      }),
      { numRuns: 60, seed: 9 },
    );
  });
});
