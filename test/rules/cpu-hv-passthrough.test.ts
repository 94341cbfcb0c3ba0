import { testRule } from './rule-tester.ts';

testRule('cpu-hv-passthrough', {
  fires: [
    {
      name: 'hv-passthrough',
      given: { '/vm/cpu': { hvPassthrough: true } },
      effect: 'blocker',
      says: "'hv-passthrough' CPU flag prevents migration, use explicit set of hv-* flags instead",
    },
  ],
  clear: [
    { name: 'none', given: {} },
    { name: 'off', given: { '/vm/cpu': { hvPassthrough: false } } },
  ],
  unknown: 'a CPU has what it is given',
});
