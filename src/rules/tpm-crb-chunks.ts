import { all, map } from '../descriptor/fact.ts';
import { machineVersion } from '../descriptor/vm.ts';
import { TPM_CRB_CHUNKS } from '../platform/machine.ts';
import { isAtLeast } from '../platform/version.ts';
import { otherRule } from './rule.ts';

export const tpmCrbChunks = otherRule({
  id: 'tpm-crb-chunks',
  title: 'The machine type is older than the tpm-crb that QEMU has',
  why: 'A tpm-crb now moves what it holds in chunks, which older machine types know nothing of. QEMU refuses rather than lose part of it.',
  layer: 'qemu',
  behaviour: 'tpmCrbChunks',
  effect: 'blocker',
  modes: 'normal',
  isAbout: (type) => type === 'tpm-crb',
  cases: {
    'by-machine': {
      message: 'The tpm-crb device does not support chunk migration with machine version less than {release}',
      parameters: () => ({ release: TPM_CRB_CHUNKS }),
      holds: ({ other, vm, host }) =>
        all(
          other.isThere,
          map(machineVersion(vm.descriptor, host.qemuVersion), (version) => !isAtLeast(version, TPM_CRB_CHUNKS)),
        ),
    },
  },
  liftedBy: ['newer-machine', 'detach-device'],
  source: { confidence: 'inferred', read: ['11.1.3 binary'] },
});
