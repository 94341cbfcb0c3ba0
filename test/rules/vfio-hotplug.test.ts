import { testRule } from './rule-tester.ts';

testRule('vfio-hotplug', {
  fires: [
    { name: 'the operator means to', given: { '/migration/guestEvents': ['hotplug'] }, effect: 'warning', says: null },
  ],
  clear: [{ name: 'unless said, nobody plugs', given: {} }],
  unknown: 'what may happen is given or taken for granted',
});
