import { testRule } from './rule-tester.ts';

testRule('confidential-snp', {
  fires: [
    {
      name: 'SEV-SNP',
      given: { '/vm/confidential': 'sev-snp' },
      effect: 'blocker',
      says: 'SEV-SNP: Migration is not implemented',
    },
  ],
  clear: [
    { name: 'SEV', given: { '/vm/confidential': 'sev' } },
    { name: 'none', given: {} },
  ],
  unknown: 'a guest is what it is given as',
});
