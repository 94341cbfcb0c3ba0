import { testRule } from './rule-tester.ts';

const coresharing = (value: string) => ({ '/vm/cpu': { hvNoNonarchCoresharing: value } });

testRule('cpu-hv-coresharing', {
  fires: [
    {
      name: 'auto',
      given: coresharing('auto'),
      effect: 'blocker',
      says: "'hv-no-nonarch-coresharing=auto' CPU flag prevents migration use explicit 'hv-no-nonarch-coresharing=on' instead (but make sure SMT is disabled and/or that vCPUs are properly pinned)",
    },
  ],
  clear: [
    { name: 'on', given: coresharing('on') },
    { name: 'off', given: coresharing('off') },
    { name: 'not given', given: {} },
  ],
  unknown: 'a CPU has what it is given',
});
