import { testRule } from './rule-tester.ts';

const dumping = { '/state': 'running', '/vm/runtime': { dumping: true } };
const says = 'Live migration disabled: dump-guest-memory in progress';

testRule('dump-in-progress', {
  fires: [
    { name: 'a dump runs', given: dumping, effect: 'blocker', says },
    { name: 'with only-migratable too', given: { ...dumping, '/vm/onlyMigratable': true }, effect: 'blocker', says },
  ],
  clear: [
    { name: 'none does', given: { '/vm/runtime': { dumping: false } } },
    { name: 'a running VM of which it is not said', given: { '/state': 'running' } },
  ],
  unknown: 'a VM is taken not to be dumped unless that is said',
});
