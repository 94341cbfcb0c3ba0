import { is } from '../descriptor/fact.ts';
import { vmRule } from './rule.ts';

export const confidentialSnp = vmRule({
  id: 'confidential-snp',
  title: 'The guest’s memory is encrypted by SEV-SNP',
  why: 'QEMU cannot read the memory of an SEV-SNP guest to send it, and has no migration of its own for it. The blocker is there from the moment the guest is launched.',
  layer: 'qemu',
  effect: 'blocker',
  always: {
    message: 'SEV-SNP: Migration is not implemented',
    holds: ({ vm }) => is(vm.confidential, 'sev-snp'),
  },
  liftedBy: ['not-confidential'],
  // 11.1.3 does not have the words as one string.
  source: { confidence: 'inferred', read: ['sev_snp_launch_finish, 10.2.2'] },
});
