import { all, is, not } from '../descriptor/fact.ts';
import { vmRule } from './rule.ts';

export const cpuInvtsc = vmRule({
  id: 'cpu-invtsc',
  title: 'The guest is told that its TSC never changes its rate',
  why: 'A guest that has invtsc takes its clock from the TSC, whose rate differs from host to host. QEMU refuses to migrate it unless a rate is fixed (tsc-frequency), which the destination then keeps; TCG has no invtsc and drops it with a warning.',
  layer: 'qemu',
  effect: 'blocker',
  always: {
    message: 'State blocked by non-migratable CPU device (invtsc flag)',
    holds: ({ vm: { cpu, accel } }) => all(cpu.invtsc, is(accel, 'kvm'), not(cpu.hasTscFrequency)),
  },
  liftedBy: ['cpu-tsc-frequency', 'cpu-invtsc-off'],
  source: { confidence: 'confirmed', read: ['10.2.2', '7.2.22, 10.0.2 and 11.1.3 run'] },
});
