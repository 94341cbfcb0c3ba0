import { all, is, not } from '../descriptor/fact.ts';
import { otherRule } from './rule.ts';

export const tpmEmulator = otherRule({
  id: 'tpm-emulator',
  title: 'The TPM emulator cannot hand over its state',
  why: 'QEMU asks swtpm for the state of the TPM and gives it to another swtpm, which takes its commands GET_STATEBLOB, SET_STATEBLOB and STOP. An emulator is taken to have them unless it is known not to.',
  layer: 'device',
  effect: 'blocker',
  isAbout: (type) => type.startsWith('tpm-'),
  always: {
    message: 'Migration disabled: TPM emulator does not support migration',
    holds: ({ other }) =>
      all(not(other.backend('state-blob', true)), is(other.property('tpmdev.type', 'emulator'), 'emulator')),
  },
  liftedBy: ['other-backend', 'detach-device'],
  source: { confidence: 'confirmed', read: ['10.2.2', '11.1.3 binary'] },
});
