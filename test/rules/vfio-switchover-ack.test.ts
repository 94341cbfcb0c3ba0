import { testRule } from './rule-tester.ts';

testRule('vfio-switchover-ack', {
  fires: [
    {
      name: 'no return path',
      given: { '/migration/capabilities': ['switchover-ack'] },
      effect: 'migration-failure',
      says: "Capability 'switchover-ack' requires capability 'return-path'",
    },
  ],
  clear: [
    { name: 'with a return path', given: { '/migration/capabilities': ['switchover-ack', 'return-path'] } },
    { name: 'not asked for', given: {} },
  ],
  unknown: 'a capability that is not listed is not set',
});
