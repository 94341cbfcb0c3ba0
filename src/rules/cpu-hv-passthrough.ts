import { vmRule } from './rule.ts';

export const cpuHvPassthrough = vmRule({
  id: 'cpu-hv-passthrough',
  title: 'The guest has whatever Hyper-V enlightenments the host’s KVM has',
  why: 'With hv-passthrough the enlightenments are those of the host that the VM starts on, and another host may have fewer. QEMU wants each of them named instead.',
  layer: 'qemu',
  effect: 'blocker',
  always: {
    message: "'hv-passthrough' CPU flag prevents migration, use explicit set of hv-* flags instead",
    holds: ({ vm: { cpu } }) => cpu.hvPassthrough,
  },
  liftedBy: ['cpu-hv-flags'],
  source: { confidence: 'confirmed', read: ['10.2.2', '11.1.3 binary'] },
});
