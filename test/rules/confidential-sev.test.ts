import { testRule } from './rule-tester.ts';

const says = 'SEV: Migration is not implemented';

testRule('confidential-sev', {
  fires: [
    { name: 'SEV', given: { '/vm/confidential': 'sev' }, effect: 'blocker', says },
    { name: 'SEV-ES', given: { '/vm/confidential': 'sev-es' }, effect: 'blocker', says },
  ],
  clear: [
    { name: 'SEV-SNP has words of its own', given: { '/vm/confidential': 'sev-snp' } },
    { name: 'TDX', given: { '/vm/confidential': 'tdx' } },
    { name: 'none', given: {} },
  ],
  unknown: 'a guest is what it is given as',
});
