import { testRule } from './rule-tester.ts';

const readOnly = { type: 'nvdimm', properties: { memdev: 'n', 'memdev.readonly': true } };

testRule('nvdimm-unarmed', {
  fires: [
    {
      name: 'a read-only backend',
      given: { '/vm/otherDevices': [readOnly] },
      effect: 'start-failure',
      says: "'unarmed' property must be 'on' since memdev n is read-only",
    },
    {
      name: 'a backend whose name is not given',
      given: { '/vm/otherDevices': [{ type: 'nvdimm', properties: { 'memdev.readonly': true } }] },
      effect: 'start-failure',
      says: "'unarmed' property must be 'on' since memdev … is read-only",
    },
  ],
  clear: [
    {
      name: 'unarmed',
      given: { '/vm/otherDevices': [{ ...readOnly, properties: { ...readOnly.properties, unarmed: true } }] },
    },
    { name: 'a backend that keeps', given: { '/vm/otherDevices': [{ type: 'nvdimm', properties: { memdev: 'n' } }] } },
  ],
  unknown: 'properties that are not given are QEMU’s defaults',
});
