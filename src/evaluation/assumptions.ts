import { isNewerThanKnown } from '../descriptor/host.ts';
import type { Scenario } from '../descriptor/scenario.ts';
import { NEWEST_QEMU, OLDEST_QEMU } from '../platform/qemu.ts';
import { isAtLeast } from '../platform/version.ts';

/** What was taken for true without being given, in sentences. */
export function assumptionsOf({ host, containers }: Scenario): string[] {
  const assumptions = containers.flatMap(({ devices, transitions }) =>
    transitions.flatMap(({ from, to, cost }) =>
      cost.known ? cost.value.assumptions.map((each) => `${devices[0]?.id}, ${from} to ${to}: ${each}`) : [],
    ),
  );
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
