import { all, not } from '../descriptor/fact.ts';
import { otherRule } from './rule.ts';

export const nvdimmUnarmed = otherRule({
  id: 'nvdimm-unarmed',
  title: 'The NVDIMM promises to keep what its backend cannot',
  why: 'What a guest writes to an NVDIMM is to survive, and a read-only backend keeps nothing. QEMU wants the device to say so itself.',
  layer: 'qemu',
  effect: 'start-failure',
  isAbout: (type) => type === 'nvdimm',
  always: {
    message: "'unarmed' property must be 'on' since memdev {memdev} is read-only",
    parameters: ({ other }) => ({ memdev: String(other.property('memdev', '…').value) }),
    holds: ({ other }) => all(other.isOn('memdev.readonly', false), not(other.isOn('unarmed', false))),
  },
  liftedBy: ['device-feature-off', 'detach-device'],
  source: { confidence: 'confirmed', read: ['7.2.22, 10.0.2 and 11.1.3 run'] },
});
