import { otherRule } from './rule.ts';

export const virtioGpuVirgl = otherRule({
  id: 'virtio-gpu-virgl',
  title: 'The virtual GPU renders on the host (virgl)',
  why: 'With virgl the guest’s textures and shaders live in the host’s graphics driver, from which QEMU cannot get them back.',
  layer: 'qemu',
  effect: 'blocker',
  isAbout: (type) => /^virtio-(?:gpu|vga)-gl(?:-|$)/.test(type),
  always: { message: 'virgl is not yet migratable', holds: ({ other }) => other.isThere },
  liftedBy: ['device-feature-off', 'detach-device'],
  source: { confidence: 'confirmed', read: ['10.2.2'] },
});
