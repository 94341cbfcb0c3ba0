import { argvLines, jsonLines, overHttp, unlikeLines, xmlLines } from './batch.ts';
import { besideCerbos } from './cerbos.ts';
import type { Row } from './compare.ts';
import { engines } from './engines.ts';
import { evaluations, translatedEvaluations } from './evaluations.ts';
import { growths } from './growth.ts';
import { latencies } from './latency.ts';
import { recording } from './metrics.ts';
import { fiftyRules, reloads } from './policy.ts';
import { rulesOnEightDevices } from './rules.ts';
import { compressedRuns, decomposition, emptyDomain, memory, trackedUnmap } from './simulator.ts';
import { resident, startUp } from './start.ts';
import { batchBesideSingle, twoProcesses } from './throughput.ts';

type Bench = (short: boolean) => Row | Row[] | Promise<Row | Row[]>;

/** Every bench, in the order of the table. */
export const benches: readonly Bench[] = [
  evaluations,
  translatedEvaluations,
  besideCerbos,
  engines,
  batchBesideSingle,
  twoProcesses,
  latencies,
  growths,
  startUp,
  resident,
  rulesOnEightDevices,
  recording,
  fiftyRules,
  reloads,
  jsonLines,
  unlikeLines,
  xmlLines,
  argvLines,
  overHttp,
  decomposition,
  trackedUnmap,
  compressedRuns,
  memory,
  emptyDomain,
];

/** What takes a minute in all. */
export const brief: readonly Bench[] = [evaluations, engines, growths];
