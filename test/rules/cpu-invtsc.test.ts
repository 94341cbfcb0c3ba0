import { testRule } from './rule-tester.ts';

const invtsc = { '/vm/cpu': { invtsc: true } };
const says = 'State blocked by non-migratable CPU device (invtsc flag)';

testRule('cpu-invtsc', {
  fires: [
    { name: 'KVM', given: invtsc, effect: 'blocker', says },
    {
      name: 'only-migratable',
      given: { ...invtsc, '/vm/onlyMigratable': true },
      effect: 'start-failure',
      says: `disallowing migration blocker (--only-migratable) for: ${says}`,
    },
    {
      name: 'a frequency of 0 is none',
      given: { '/vm/cpu': { invtsc: true, tscFrequency: 0 } },
      effect: 'blocker',
      says,
    },
    { name: 'a CPR mode as well', given: { ...invtsc, '/migration/mode': 'cpr-reboot' }, effect: 'blocker', says },
  ],
  clear: [
    { name: 'a fixed TSC frequency', given: { '/vm/cpu': { invtsc: true, tscFrequency: 2_000_000_000 } } },
    { name: 'TCG drops it', given: { ...invtsc, '/vm/accel': 'tcg' } },
    { name: 'no invtsc', given: { '/vm/cpu': { invtsc: false } } },
  ],
  unknown: 'a CPU has what it is given',
});
