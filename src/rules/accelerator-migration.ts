import { logRule } from './rule.ts';

export const acceleratorMigration = logRule({
  id: 'accelerator-migration',
  title: 'The accelerator cannot save the state of its CPUs',
  why: 'WHPX and NVMM, the accelerators of Windows and NetBSD, have no migration. VFIO devices are for Linux hosts, so that no descriptor names them.',
  layer: 'qemu',
  effect: 'blocker',
  wordings: [
    'State blocked due to non-migratable CPUID feature support,dirty memory tracking support, and XSAVE/XRSTOR support',
    'NVMM: Migration not supported',
  ],
  liftedBy: ['restart-vm'],
  source: { confidence: 'confirmed', read: ['10.2.2'] },
});
