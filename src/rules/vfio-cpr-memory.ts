import { vmRule } from './rule.ts';

export const vfioCprMemory = vmRule({
  id: 'vfio-cpr-memory',
  title: 'Guest memory cannot be handed to a new QEMU',
  why: 'CPR passes memory on to the new QEMU process by its file descriptor, which takes a backend that is shared (share=on). Anonymous memory needs -machine aux-ram-share=on.',
  layer: 'qemu',
  behaviour: 'cprModes',
  effect: 'blocker',
  modes: 'cpr-transfer',
  cases: {
    transfer: {
      message:
        'Memory region {region} is not compatible with CPR. share=on is required for memory-backend objects, and aux-ram-share=on is required.',
      parameters: () => ({ region: '…' }),
      holds: ({ vm }) => vm.hasPrivateMemory,
    },
  },
  wordings: ['Memory region {region} uses guest_memfd, which is not supported with CPR.'],
  liftedBy: ['normal-mode', 'shared-memory-backend'],
  source: { confidence: 'confirmed', read: ['ram_block_add_cpr_blocker, 10.2.2', '11.1.3 run'] },
});
