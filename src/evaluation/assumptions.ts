import type { Container } from '../descriptor/container.ts';
import type { Fact } from '../descriptor/fact.ts';
import { isNewerThanKnown } from '../descriptor/host.ts';
import type { Scenario } from '../descriptor/scenario.ts';
import { NEWEST_QEMU, OLDEST_QEMU } from '../platform/qemu.ts';
import { isAtLeast } from '../platform/version.ts';

/** What was taken for true without being given, in sentences. */
export function assumptionsOf(scenario: Scenario): string[] {
  const { host, containers } = scenario;
  const assumptions = [...new Set([...containers.flatMap(ofContainer), ...ofVm(scenario)])];
  if (host.qemuVersion.known && !isAtLeast(host.qemuVersion.value, OLDEST_QEMU)) {
    assumptions.push(
      `${host.pointer}/qemu is older than ${OLDEST_QEMU}, the first that was studied: nothing is taken for known of it`,
    );
  }
  if (host.qemuVersion.known && isNewerThanKnown(host.qemuVersion.value)) {
    assumptions.push(
      `${host.pointer}/qemu is newer than ${NEWEST_QEMU}, the last that was studied: taken to behave like it`,
    );
  }
  if (host.memory !== null) {
    assumptions.push(
      `${host.pointer}/memory bounds what one allocation of QEMU may have: no swap, vm.overcommit_memory=0`,
    );
  }
  return assumptions;
}

function ofContainer({ devices, runs, trackingStart, sync, transitions }: Container): string[] {
  const about = (what: string, cost: Fact<{ readonly assumptions: readonly string[] } | null>): string[] =>
    cost.known && cost.value ? cost.value.assumptions.map((each) => `${devices[0]?.id}, ${what}: ${each}`) : [];
  return [
    ...(runs.known ? runs.value.assumptions : []),
    ...about('tracking start', trackingStart),
    ...about('dirty sync', sync),
    ...transitions.flatMap(({ from, to, cost }) => about(`${from} to ${to}`, cost)),
  ];
}

function ofVm({ needs, convergence }: Scenario): string[] {
  const [needed, converging] = [needs(), convergence()];
  return [
    ...(needed.known && needed.value ? needed.value.assumptions : []),
    ...(converging.known && converging.value ? converging.value.assumptions : []),
  ];
}
