import { testRule } from './rule-tester.ts';

const target = (type: string, properties?: object) => ({ '/vm/otherDevices': [{ type, properties }] });
const says =
  "vhost-scsi does not support migration in all cases. When external environment supports it (Orchestrator migrates target SCSI device state or use shared storage over network), set 'migratable' property to true to enable migration.";

testRule('vhost-scsi-migratable', {
  fires: [
    { name: 'by default', given: target('vhost-scsi-pci'), effect: 'blocker', says },
    { name: 'by the shorter of its names', given: target('vhost-scsi'), effect: 'blocker', says },
    { name: 'off', given: target('vhost-scsi-ccw', { migratable: 'off' }), effect: 'blocker', says },
  ],
  clear: [
    { name: 'vouched for', given: target('vhost-scsi-pci', { migratable: true }) },
    { name: 'vouched for in QEMU’s words', given: target('vhost-scsi-pci', { migratable: 'on' }) },
    { name: 'vhost-user-scsi is another device', given: target('vhost-user-scsi-pci') },
    { name: 'mode cpr-reboot', given: { ...target('vhost-scsi-pci'), '/migration/mode': 'cpr-reboot' } },
  ],
  unknown: 'a property is what it is given as, or off',
});
