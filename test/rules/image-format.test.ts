import { testRule } from './rule-tester.ts';

const image = (format: string) => ({ '/vm/disks': [{ node: 'disk0', format }] });
const says = (format: string) => `The ${format} format used by node 'disk0' does not support live migration`;

testRule('image-format', {
  fires: [
    ...['qcow', 'vdi', 'vhdx', 'vmdk', 'vpc'].map((format) => ({
      name: format,
      given: image(format),
      effect: 'blocker' as const,
      says: says(format),
    })),
    { name: 'Parallels', given: image('parallels'), effect: 'blocker', says: says('Parallels') },
    { name: 'a directory', given: image('vvfat'), effect: 'blocker', says: says('vvfat (rw)') },
    {
      name: 'only-migratable',
      given: { ...image('vmdk'), '/vm/onlyMigratable': true },
      effect: 'start-failure',
      says: `disallowing migration blocker (--only-migratable) for: ${says('vmdk')}`,
    },
  ],
  clear: [
    { name: 'qcow2', given: image('qcow2') },
    { name: 'raw', given: image('raw') },
    { name: 'mode cpr-reboot', given: { ...image('vmdk'), '/migration/mode': 'cpr-reboot' } },
  ],
  unknown: 'an image has the format that is given',
});
