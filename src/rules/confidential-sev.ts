import { is } from '../descriptor/fact.ts';
import { vmRule } from './rule.ts';

export const confidentialSev = vmRule({
  id: 'confidential-sev',
  title: 'The guest’s memory is encrypted by SEV',
  why: 'QEMU cannot read the memory of an SEV or SEV-ES guest to send it, and has no migration of its own for it. The blocker is there from the moment the guest is launched.',
  layer: 'qemu',
  effect: 'blocker',
  always: {
    message: 'SEV: Migration is not implemented',
    holds: ({ vm }) => is(vm.confidential, 'sev', 'sev-es'),
  },
  liftedBy: ['not-confidential'],
  source: { confidence: 'confirmed', read: ['sev_launch_finish, 10.2.2', '11.1.3 binary'] },
});
