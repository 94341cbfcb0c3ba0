import { otherRule } from './rule.ts';

export const remoteProxy = otherRule({
  id: 'remote-proxy',
  title: 'A device runs in another process',
  why: 'x-pci-proxy-dev stands for a device that a process beside QEMU emulates, and nothing moves the state of that process.',
  layer: 'qemu',
  effect: 'blocker',
  isAbout: (type) => type === 'x-pci-proxy-dev',
  always: { message: 'x-pci-proxy-dev does not support migration', holds: ({ other }) => other.isThere },
  liftedBy: ['detach-device'],
  source: { confidence: 'confirmed', read: ['10.2.2', '11.1.3 binary'] },
});
