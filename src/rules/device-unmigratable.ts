import { all, is } from '../descriptor/fact.ts';
import { unmigratableModel } from '../platform/device-model.ts';
import { otherRule } from './rule.ts';
import { unmigratableWords } from './words.ts';

export const deviceUnmigratable = otherRule({
  id: 'device-unmigratable',
  title: 'The state of the device cannot be saved',
  why: 'QEMU has no way to save what this device model holds and marks its state as unmigratable, which outranks every blocker: the models are one table, to which an NVMe controller belonged until it learnt to migrate.',
  layer: 'qemu',
  effect: 'blocker',
  vmState: true,
  isAbout: (type) => unmigratableModel(type) !== undefined,
  always: {
    ...unmigratableWords,
    parameters: ({ other: { type, path } }) => {
      const { state = type, realized = type } = unmigratableModel(type) ?? {};
      return { device: path ?? `…/${state}`, type: realized };
    },
    holds: ({ other, host }) =>
      other.type === 'nvme' ? all(is(host.qemu.nvmeMigration, 'never'), other.isThere) : other.isThere,
  },
  liftedBy: ['detach-device'],
  source: { confidence: 'confirmed', read: ['10.2.2', '11.1.3 binary', '7.2.22, 10.0.2 and 11.1.3 run'] },
});
