import { testRule } from './rule-tester.ts';

const transfer = { '/migration/mode': 'cpr-transfer', '/vm/memoryBackends': [{ size: '4GiB' }] };

testRule('vfio-cpr-memory', {
  fires: [
    {
      name: 'a private backend',
      given: transfer,
      effect: 'blocker',
      says: 'Memory region … is not compatible with CPR. share=on is required for memory-backend objects, and aux-ram-share=on is required.',
    },
  ],
  clear: [
    { name: 'a shared backend', given: { ...transfer, '/vm/memoryBackends': [{ size: '4GiB', share: true }] } },
    { name: 'mode normal', given: { ...transfer, '/migration/mode': 'normal' } },
  ],
  unknown: [
    {
      name: 'backends not given',
      given: { ...transfer, '/vm/memoryBackends': undefined },
      lacks: ['/vm/memoryBackends'],
    },
  ],
});
