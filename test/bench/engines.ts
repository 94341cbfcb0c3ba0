import { Environment } from '@marcbachmann/cel-js';
import { Engine } from 'json-rules-engine';
import { resolve, type Scenario } from '../../src/descriptor/scenario.ts';
import { rules } from '../../src/rules/index.ts';
import { judge } from '../../src/rules/judge.ts';
import { compareMeasured, type Row, type Timing } from './compare.ts';
import { fourDevices } from './documents.ts';
import { type Attributes, attributesOf, haveAgree, sameRules } from './same-rules.ts';

/** Rules in CEL, parsed once: which of them fire. */
function inCel(): (attributes: Attributes) => string[] {
  const environment = new Environment().registerVariable('R', 'map');
  const parsed = sameRules.map(({ id, cel }) => ({ id, fires: environment.parse(cel) }));
  return (attr) => {
    const context = { R: { attr } };
    return parsed.flatMap(({ id, fires }) => (fires(context) === true ? [id] : []));
  };
}

/** Rules for json-rules-engine: those about the VM once, those about devices for one after another. */
function inJson(): (attributes: Attributes) => Promise<string[]> {
  const engineOf = (about: 'vm' | 'device'): Engine =>
    new Engine(
      sameRules.flatMap((rule) =>
        rule.about === about ? [{ conditions: rule.conditions, event: { type: rule.id } }] : [],
      ),
    );
  const [ofVm, ofDevice] = [engineOf('vm'), engineOf('device')];
  return async ({ devices, ...facts }) => {
    const fired = new Set<string>();
    const { events } = await ofVm.run(facts);
    for (const { type } of events) fired.add(type);
    for (const device of devices) {
      const { events: more } = await ofDevice.run({ ...facts, device });
      for (const { type } of more) fired.add(type);
    }
    return sameRules.flatMap(({ id }) => (fired.has(id) ? [id] : []));
  };
}

/** All our rules from the descriptor on, beside twenty of them in two engines that get all facts ready made. */
export async function engines(short: boolean): Promise<Row> {
  const [cel, json] = [inCel(), inJson()];
  await haveAgree((descriptor) => cel(attributesOf(descriptor)));
  await haveAgree((descriptor) => json(attributesOf(descriptor)));
  // Each another, as requests are.
  const documents = Array.from({ length: 300 }, (_, index) => fourDevices(index));
  const attributes = documents.map(attributesOf);
  const timed = (times: number, job: () => Promise<number> | number) => async (): Promise<number> => {
    const start = performance.now();
    let fired = 0;
    for (let i = 0; i < times; i++) fired += await job();
    if (fired > 0) throw new Error('a rule fires: that is another path');
    return (performance.now() - start) / times;
  };
  const [repeats, few] = short ? [12, 1] : [60, 1];
  const scenarios = documents.map((each) => resolve(each, 'source'));
  const judgeAll = (all: readonly Scenario[]): number => all.reduce((sum, each) => sum + judge(each).length, 0);
  const timings = await compareMeasured(
    [
      {
        name: `our ${rules.length} rules on facts that are read`,
        measure: timed(repeats, () => judgeAll(scenarios)),
      },
      {
        name: 'ours, from the descriptor on',
        measure: timed(repeats, () => judgeAll(documents.map((each) => resolve(each, 'source')))),
      },
      {
        name: `CEL (cel-js), ${sameRules.length} of them on facts that are read`,
        measure: timed(repeats, () => attributes.reduce((sum, each) => sum + cel(each).length, 0)),
      },
      {
        name: `json-rules-engine, the same ${sameRules.length}`,
        measure: timed(few, async () => {
          let fired = 0;
          for (const each of attributes) fired += (await json(each)).length;
          return fired;
        }),
      },
    ],
    { rounds: short ? 3 : 9, warmUp: 2 },
  );
  const [ours, , inCelTook, inJsonTook] = timings as [Timing, Timing, Timing, Timing];
  const beside = ({ median }: Timing): string => {
    const ratio = median / ours.median;
    const each = ratio * (rules.length / sameRules.length);
    return `${ratio.toFixed(2)}x as long as all of ours, ${each.toFixed(1)}x a rule`;
  };
  return {
    job: 'rules on a VM with 4 devices, of which none fires',
    timings,
    each: { of: documents.length, unit: 'VM' },
    ratios: [`CEL ${beside(inCelTook)}`, `json-rules-engine ${beside(inJsonTook)}`],
    goal: '',
    excess: null,
  };
}
