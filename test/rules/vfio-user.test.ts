import { testRule } from './rule-tester.ts';

testRule('vfio-user', {
  fires: [
    {
      name: 'its state is not in the stream',
      given: { '/vm/vfio/0/type': 'vfio-user-pci' },
      effect: 'data-loss',
      says: null,
    },
  ],
  clear: [
    { name: 'vfio-pci', given: {} },
    { name: 'vfio-ap', given: { '/vm/vfio/0/type': 'vfio-ap' } },
  ],
  unknown: 'the type is given or vfio-pci',
});
