import { is } from '../descriptor/fact.ts';
import { diskRule } from './rule.ts';

/** What QEMU calls the formats that it does not migrate, by the name of their driver. */
const names: Readonly<Record<string, string>> = {
  qcow: 'qcow',
  vdi: 'vdi',
  vhdx: 'vhdx',
  vmdk: 'vmdk',
  vpc: 'vpc',
  parallels: 'Parallels',
  vvfat: 'vvfat (rw)',
};

export const imageFormat = diskRule({
  id: 'image-format',
  title: 'The image format cannot be used on two hosts in turn',
  why: 'What QEMU keeps in memory of these formats is not given up when a migration ends, so that the destination would read stale data. A directory that the guest may write to as a FAT disk is refused twice: for itself and for the qcow in front of it.',
  layer: 'qemu',
  effect: 'blocker',
  modes: 'normal',
  always: {
    message: "The {format} format used by node '{node}' does not support live migration",
    parameters: ({ disk }) => ({ format: names[disk.format.value], node: disk.id }),
    holds: ({ disk }) => is(disk.format, ...Object.keys(names)),
  },
  liftedBy: ['convert-image'],
  source: { confidence: 'confirmed', read: ['10.2.2', '7.2.22, 10.0.2 and 11.1.3 run'] },
});
