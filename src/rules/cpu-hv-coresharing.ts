import { is } from '../descriptor/fact.ts';
import { vmRule } from './rule.ts';

export const cpuHvCoresharing = vmRule({
  id: 'cpu-hv-coresharing',
  title: 'Whether virtual CPUs share cores is left to the host',
  why: 'hv-no-nonarch-coresharing=auto promises the guest what is true on the host it starts on: that no two virtual CPUs share a core unless the guest is told. Another host may break the promise, so that QEMU wants it given explicitly.',
  layer: 'qemu',
  effect: 'blocker',
  always: {
    message:
      "'hv-no-nonarch-coresharing=auto' CPU flag prevents migration use explicit 'hv-no-nonarch-coresharing=on' instead (but make sure SMT is disabled and/or that vCPUs are properly pinned)",
    holds: ({ vm: { cpu } }) => is(cpu.hvNoNonarchCoresharing, 'auto'),
  },
  liftedBy: ['cpu-hv-flags'],
  source: { confidence: 'confirmed', read: ['10.2.2', '11.1.3 binary'] },
});
