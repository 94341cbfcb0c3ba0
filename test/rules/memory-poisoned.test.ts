import { testRule } from './rule-tester.ts';

testRule('memory-poisoned', {
  fires: [
    {
      name: 'the host found broken pages',
      given: { '/state': 'running', '/vm/runtime': { poisonedMemory: true } },
      effect: 'migration-failure',
      says: "Can't migrate this vm with hardware poisoned memory, please reboot the vm and try again",
    },
  ],
  clear: [
    { name: 'it found none', given: { '/vm/runtime': { poisonedMemory: false } } },
    { name: 'a running VM of which it is not said', given: { '/state': 'running' } },
  ],
  unknown: 'memory is taken to be whole unless it is said to be broken',
});
