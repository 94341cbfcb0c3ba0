import { evaluate } from '../../src/evaluation/evaluate.ts';
import type { Descriptor } from '../../src/descriptor/schema.ts';
import { examples, placementExamples } from '../../src/http/examples.ts';
import { fleet } from '../bench/fleet.ts';
import { eightDevices } from '../bench/rules.ts';

/** Sends one of each kind of request to the service at `address`, the wrong ones too; returns the statuses. */
export async function sendMixedLoad(address: string): Promise<number[]> {
  const ask = async (path: string, body: string, type = 'application/json'): Promise<number> => {
    const answer = await fetch(address + path, { method: 'POST', body, headers: { 'content-type': type } });
    await answer.arrayBuffer();
    return answer.status;
  };
  const vms = [...Object.values(examples).map(({ request }) => request), ...observed()];
  const requests = vms.map((vm) => ask('/v1/evaluations', JSON.stringify(vm)));
  const lines = [...fleet(40)].map((vm) => `${JSON.stringify(vm)}\n`).join('');
  requests.push(ask('/v1/evaluations/batch', lines, 'application/x-ndjson'));
  for (const { request } of Object.values(placementExamples))
    requests.push(ask('/v1/placements', JSON.stringify(request)));
  requests.push(ask('/v1/evaluations', '{'));
  return Promise.all(requests);
}

/** VMs that run, whose QEMU gave its reasons: those that are predicted, and one that no rule knows. */
function observed(): Descriptor[] {
  const { vm, source } = eightDevices('11.1.3');
  const running = (blockedReasons: string[]): Descriptor => ({
    state: 'running',
    vm: { ...vm, runtime: { blockedReasons } },
    source,
  });
  return [running([]), running(['a reason that no rule knows'])];
}

/** The addresses of the decisions on the examples. */
export const exampleDecisionIds = (): Set<string> =>
  new Set(Object.values(examples).map(({ request }) => evaluate(request).decisionId));
