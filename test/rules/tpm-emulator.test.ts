import { testRule } from './rule-tester.ts';

const tpm = (backend?: object, properties?: object) => ({
  '/vm/otherDevices': [{ type: 'tpm-tis', backend, properties }],
});

testRule('tpm-emulator', {
  fires: [
    {
      name: 'without the commands, taken for an emulator',
      given: tpm({ 'state-blob': false }),
      effect: 'blocker',
      says: 'Migration disabled: TPM emulator does not support migration',
    },
    {
      name: 'an emulator without the commands',
      given: tpm({ 'state-blob': false }, { 'tpmdev.type': 'emulator' }),
      effect: 'blocker',
      says: 'Migration disabled: TPM emulator does not support migration',
    },
  ],
  clear: [
    { name: 'an emulator with them', given: tpm({ 'state-blob': true }) },
    { name: 'the host’s own TPM', given: tpm({ 'state-blob': false }, { 'tpmdev.type': 'passthrough' }) },
    { name: 'not given', given: tpm() },
  ],
  unknown: 'an emulator is taken to have the commands unless it is known not to',
});
