import { describe, expect, it } from 'vitest';
import { evaluate } from '../../src/evaluation/evaluate.ts';
import { descriptorWith, type Given, testRule } from './rule-tester.ts';

const device = (type: string, more: object = {}) => ({ '/vm/otherDevices': [{ type, ...more }] });

testRule('device-unmigratable', {
  fires: [
    {
      name: 'where it sits is known',
      given: device('virtio-crypto-pci', { path: '0000:00:01.0/virtio-crypto' }),
      effect: 'blocker',
      says: 'non-migratable device: 0000:00:01.0/virtio-crypto',
    },
    ...[
      ['virtio-crypto-ccw', 'virtio-crypto'],
      ['virtio-sound-pci', 'virtio-sound-device'],
      ['virtio-input-host-pci', 'virtio-input-host'],
      ['vhost-user-vsock-pci', 'vhost-user-vsock'],
      ['vhost-vdpa-device-pci', 'vhost-vdpa-device'],
      ['usb-mtp', 'usb-mtp'],
      ['usb-wacom-tablet', 'usb-wacom'],
      ['ufs', 'ufs'],
      ['rocker', 'rocker'],
      ['nvme', 'nvme'],
    ].map(([type = '', state]) => ({
      name: type,
      given: device(type),
      effect: 'blocker' as const,
      says: `non-migratable device: …/${state}`,
    })),
    {
      name: 'only-migratable names the device behind the proxy',
      given: { ...device('virtio-crypto-pci'), '/vm/onlyMigratable': true },
      effect: 'start-failure',
      says: 'Device virtio-crypto-device is not migratable, but --only-migratable was specified',
    },
    {
      name: 'every mode',
      given: { ...device('usb-mtp'), '/migration/mode': 'cpr-reboot' },
      effect: 'blocker',
      says: 'non-migratable device: …/usb-mtp',
    },
  ],
  clear: [
    { name: '11.1 migrates NVMe controllers', given: { ...device('nvme'), '/source/qemu': '11.1.3' } },
    ...['virtio-net-pci', 'igb', 'usb-storage', 'virtio-pmem-pci', 'edu', 'nvdimm'].map((type) => ({
      name: type,
      given: device(type),
    })),
  ],
  unknown: [
    {
      name: 'an NVMe controller of which QEMU',
      given: { ...device('nvme'), '/source/qemu': undefined },
      lacks: ['/source/qemu'],
    },
  ],
});

/** What query-migrate lists of a VM, in order, and what migrate says. */
function answers(given: Given): { readonly listed: readonly string[]; readonly said: readonly string[] } {
  const { findings } = evaluate(descriptorWith({ '/vm/vfio': [], '/source/devices': undefined, ...given }));
  const of = (key: 'queryMigrate' | 'migrate', reporter: 'query-migrate' | 'migrate') =>
    findings.flatMap(({ messages, reportedBy }) => (reportedBy.includes(reporter) ? (messages[key] ?? []) : []));
  return { listed: of('queryMigrate', 'query-migrate'), said: of('migrate', 'migrate') };
}

describe('what QEMU answers of several devices', () => {
  const peer = { type: 'ivshmem-plain', properties: { master: false } };
  const isPeer = "Migration is disabled when using feature 'peer mode' in device 'ivshmem'";
  const controller = (virtual: number) => ({
    type: 'nvme',
    path: '0000:00:02.0:00.0/nvme',
    properties: { sriov_max_vfs: virtual },
  });
  const functionOf = (fn: string) => `non-migratable device: 0000:00:02.0:00.${fn}/nvme`;

  it.each<{ name: string; qemu: string; devices: object[]; listed: string[]; said: string }>([
    {
      name: '11.1 refuses each function of a controller',
      qemu: '11.1.3',
      devices: [peer, controller(1)],
      listed: [isPeer, 'Migration is not supported for SR-IOV', 'Migration is not supported for SR-IOV'],
      said: 'Migration is not supported for SR-IOV',
    },
    {
      name: '11.1, in the order of the devices',
      qemu: '11.1.3',
      devices: [controller(1), peer],
      listed: ['Migration is not supported for SR-IOV', 'Migration is not supported for SR-IOV', isPeer],
      said: isPeer,
    },
    {
      name: '10.0 realizes the virtual functions first',
      qemu: '10.0.2',
      devices: [controller(2), peer],
      listed: [isPeer, functionOf('0'), functionOf('2'), functionOf('1')],
      said: "State blocked by non-migratable device '0000:00:02.0:00.1/nvme'",
    },
    {
      name: '7.2 makes none before the guest asks',
      qemu: '7.2.22',
      devices: [peer, controller(2)],
      listed: [isPeer, functionOf('0')],
      said: "State blocked by non-migratable device '0000:00:02.0:00.0/nvme'",
    },
    {
      name: 'devices come last, the last first',
      qemu: '11.1.3',
      devices: [
        { type: 'virtio-crypto-pci', path: '0000:00:01.0/virtio-crypto' },
        { type: 'virtio-sound-pci', path: '0000:00:02.0/virtio-sound-device' },
        peer,
        { type: 'usb-mtp', path: '0000:00:03.0/1/usb-mtp' },
      ],
      listed: [
        isPeer,
        'non-migratable device: 0000:00:03.0/1/usb-mtp',
        'non-migratable device: 0000:00:02.0/virtio-sound-device',
        'non-migratable device: 0000:00:01.0/virtio-crypto',
      ],
      said: "State blocked by non-migratable device '0000:00:01.0/virtio-crypto'",
    },
  ])('$name', ({ qemu, devices, listed, said }) => {
    expect(answers({ '/source/qemu': qemu, '/vm/otherDevices': devices })).toEqual({ listed, said: [said] });
  });
});
