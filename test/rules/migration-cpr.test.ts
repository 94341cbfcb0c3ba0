import { testRule } from './rule-tester.ts';

const cpr = (mode: string, ...capabilities: string[]) => ({ '/migration': { mode, capabilities } });

testRule('migration-cpr', {
  fires: [
    {
      name: 'postcopy',
      given: cpr('cpr-reboot', 'postcopy-ram'),
      effect: 'migration-failure',
      says: 'Cannot use postcopy with CPR',
    },
    {
      name: 'background snapshot',
      given: cpr('cpr-transfer', 'background-snapshot'),
      effect: 'migration-failure',
      says: 'Cannot use background snapshot with CPR',
    },
    {
      name: 'COLO',
      given: cpr('cpr-exec', 'x-colo'),
      effect: 'migration-failure',
      says: 'Cannot use COLO with CPR',
    },
    {
      name: 'of several QEMU names the first',
      given: cpr('cpr-reboot', 'x-colo', 'postcopy-ram'),
      effect: 'migration-failure',
      says: 'Cannot use postcopy with CPR',
    },
  ],
  clear: [
    { name: 'mode normal', given: cpr('normal', 'x-colo') },
    { name: 'another capability', given: cpr('cpr-reboot', 'multifd') },
  ],
  unknown: 'what is not said of a migration is QEMU’s default',
});
