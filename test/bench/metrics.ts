import type { Decision } from '../../src/evaluation/decision.ts';
import { evaluate } from '../../src/evaluation/evaluate.ts';
import type { Descriptor } from '../../src/descriptor/schema.ts';
import { examples } from '../../src/http/examples.ts';
import { figuresOf, Metrics } from '../../src/metrics/metrics.ts';
import { compare, type Row, type Timing } from './compare.ts';
import { eightDevices } from './rules.ts';

const REPEATS = 100;

/** As whoever answers a decision has it counted. */
function record(metrics: Metrics, decision: Decision): void {
  metrics.observeEvaluation(decision.decisionId, 0.0002);
  metrics.observeFigures(figuresOf(decision), decision.decisionId);
}

/** Recording decisions that are soon reached, one with nothing to record and one with all there is, beside reaching them. */
export function recording(): Row {
  const metrics = new Metrics({ ruleset: 'bench', version: '0', rules: [], facts: [], factAt: (pointer) => pointer });
  const beside = (name: string, descriptor: Descriptor) => {
    const decision = evaluate(descriptor);
    const repeat = (job: () => void) => (): void => {
      for (let i = 0; i < REPEATS; i++) job();
    };
    const [reach, recorded] = compare<void>(
      [
        { name: `evaluate, ${name}`, run: repeat(() => void evaluate(descriptor)) },
        { name: `recording it, ${name}`, run: repeat(() => record(metrics, decision)) },
      ],
      { rounds: 25, warmUp: 25 },
    ) as [Timing, Timing];
    return { timings: [reach, recorded], share: recorded.median / reach.median };
  };
  const bug = examples['domain-switch'];
  if (!bug) throw new Error('there is no such example');
  const [clear, full] = [beside('8 devices', eightDevices('11.1.3')), beside('the bug', bug.request)] as const;
  return {
    job: 'recording a decision in the metrics',
    timings: [...clear.timings, ...full.timings],
    each: { of: REPEATS, unit: 'decision' },
    ratios: [clear, full].map(({ share }) => `${share.toFixed(3)} of reaching it`),
    goal: 'at most a tenth each',
    excess: Math.max(clear.share, full.share) / 0.1,
  };
}
