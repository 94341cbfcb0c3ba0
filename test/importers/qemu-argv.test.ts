import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { check } from '../../src/descriptor/check.ts';
import { type Descriptor, descriptor, type VfioDescriptor } from '../../src/descriptor/schema.ts';
import { ImportError, type ImportFault } from '../../src/importers/import-error.ts';
import type { Imported } from '../../src/importers/imported.ts';
import { importQemuArgv } from '../../src/importers/qemu-argv.ts';
import { looksLikeQemuCommand } from '../../src/importers/qemu-command.ts';

type Vm = Descriptor['vm'];

/** What a command line becomes, having checked that it is a valid descriptor that JSON carries unchanged. */
function imported(text: string): Imported {
  const result = importQemuArgv(text);
  expect(descriptor.parse(result.descriptor)).toStrictEqual(result.descriptor);
  expect(JSON.parse(JSON.stringify(result))).toStrictEqual(result);
  expect(check(result.descriptor)).toEqual([]);
  return result;
}

/** The VM of these arguments of a QEMU that is called `program`, on a q35 of which QEMU adds nothing by itself. */
const vmOf = (args: readonly string[], program = 'qemu-system-x86_64'): Vm =>
  imported(JSON.stringify([program, '-nodefaults', '-M', 'q35', ...args])).descriptor.vm;

const notesOf = (...args: string[]): readonly string[] => imported(JSON.stringify(['qemu-kvm', ...args])).notes;

function faultsOf(text: string): readonly ImportFault[] {
  try {
    importQemuArgv(text);
  } catch (error) {
    expect(error).toBeInstanceOf(ImportError);
    return (error as ImportError).faults;
  }
  return [];
}

/** The words of `text`. */
const split = (text: string): string[] => text.split(' ');

const devices = (...list: string[]): string[] => list.flatMap((device) => ['-device', device]);

describe('a whole command line, however it is written', () => {
  const args = [
    '/usr/bin/qemu-system-x86_64',
    '-name',
    'guest=hana 01,debug-threads=on',
    '-machine',
    'pc-q35-11.0,usb=off,memory-backend=pc.ram',
    ...split('-accel kvm,kernel-irqchip=split -cpu host,phys-bits=46 -m size=67108864k,slots=16,maxmem=1T'),
    ...split('-object {"qom-type":"memory-backend-memfd","id":"pc.ram","size":68719476736} -nodefaults'),
    ...split('-object iommufd,id=iommufd0 -only-migratable'),
    ...split('-device {"driver":"intel-iommu","id":"iommu0","caching-mode":true,"aw-bits":48,"eim":"auto"}'),
    ...split('-device {"driver":"pcie-root-port","id":"pci.1","bus":"pcie.0","addr":"0x2.0x1"}'),
    ...split('-device {"driver":"vfio-pci","host":"0000:3b:00.1","id":"hostdev0","iommufd":"iommufd0","bus":"pci.1"}'),
    ...split('-msg timestamp=on'),
  ];
  const expected: Vm = {
    name: 'hana 01',
    machine: 'pc-q35-11.0',
    kernelIrqchip: 'split',
    accel: 'kvm',
    onlyMigratable: true,
    memory: '64GiB',
    maxMemory: '1TiB',
    slots: 16,
    memoryBackends: [{ size: '64GiB', share: true }],
    cpu: { physBits: 46 },
    viommu: { model: 'intel', addressWidth: 48, cachingMode: true },
    vfio: [
      {
        id: 'hostdev0',
        host: '0000:3b:00.1',
        backend: 'iommufd',
        iommufdObject: 'iommufd0',
        address: { bus: 'pci.1' },
      },
    ],
    otherDevices: [
      {
        type: 'pcie-root-port',
        id: 'pci.1',
        path: '0000:00:02.1/pcie-root-port',
        properties: { bus: 'pcie.0', addr: '0x2.0x1' },
      },
    ],
  };
  const quote = (word: string): string => (/^[\w,.=:/-]+$/.test(word) ? word : `'${word}'`);
  const log = [
    '2026-11-20 08:00:00.000+0000: starting up libvirt version: 9.0.0, package: 1, qemu version: 8.0.0, kernel: 6.1.0-1',
    `${quote('/usr/bin/qemu-system-x86_64')} \\`,
    '-name old',
    '2026-11-20 09:00:00.000+0000: shutting down, reason=shutdown',
    '2026-11-22 08:00:00.000+0000: starting up libvirt version: 11.3.0, package: 2 (Debian), qemu version: ' +
      '11.1.3Debian 1:11.1.3+ds-1, kernel: 6.12.57+deb13-amd64, hostname: rack7',
    'LC_ALL=C \\',
    'HOME=/var/lib/libvirt/qemu/domain-3-hana \\',
    args.map(quote).join(' \\\n'),
    "char device can't be redirected",
  ].join('\n');

  test.each([
    ['as /proc/PID/cmdline', `${args.join('\0')}\0`],
    ['as a JSON array', JSON.stringify(args, null, 2)],
    ['in one line', args.map(quote).join(' ')],
    [
      'over several lines, with a wrapper',
      `#!/bin/sh\nexec sudo -E \\\n  ${args.map(quote).join(' \\\n  ')} >log 2>&1 &\n`,
    ],
    ['without the program', JSON.stringify(args.slice(1))],
  ])('%s', (_name, text) => {
    const { notes, descriptor: actual } = imported(text);
    expect(actual).toStrictEqual({ vm: expected, source: {} });
    expect(notes).toEqual([]);
  });

  test('says where its fields come from', () => {
    expect(imported(args.join('\0')).origins).toEqual({
      '/vm': 'the QEMU command line',
      '/vm/name': 'argv[2] of -name',
      '/vm/machine': 'argv[4] of -machine',
      '/vm/accel': 'argv[6] of -accel',
      '/vm/cpu': 'argv[8] of -cpu',
      '/vm/memory': 'argv[10] of -m',
      '/vm/onlyMigratable': 'argv[16]',
      '/vm/viommu': 'argv[18] of -device',
      '/vm/otherDevices/0': 'argv[20] of -device',
      '/vm/vfio/0': 'argv[22] of -device',
    });
    expect(imported('qemu-system-x86_64').origins).toMatchObject({
      '/vm/machine': 'QEMU’s default',
      '/vm/accel': 'QEMU’s default',
      '/vm/memory': 'QEMU’s default',
    });
  });

  test('as libvirt logs it, with what that says of the host', () => {
    expect(imported(log).descriptor).toStrictEqual({
      vm: expected,
      source: { qemu: '11.1.3Debian 1:11.1.3+ds-1', kernel: '6.12.57+deb13-amd64', libvirt: '11.3.0' },
    });
  });

  test.each([
    ['a log', log, true],
    ['NULs', args.join('\0'), true],
    ['a path to QEMU', args.join(' '), true],
    ['environment variables first', 'A=1 B=2 \\\n qemu-kvm -m 1G', true],
    ['a wrapper', 'sudo kvm -m 1G', true],
    ['a quoted path to QEMU', '"/usr/bin/qemu-kvm" -m 1G', true],
    ['a path in single quotes', "exec '/opt/qemu/bin/qemu-system-x86_64' -m 1G", true],
    ['a quote of one kind only', '"qemu-kvm', false],
    ['a JSON array of strings', ' [ "-m"', true],
    ['a JSON array of others', '[1]', false],
    ['JSON', '{"vm":{}}', false],
    ['XML', '<domain type="kvm"/>', false],
    ['a form', 'qemu=1&kvm=2', false],
    ['QEMU as another word', 'man qemu-kvm', false],
    ['nothing', '', false],
  ])('%s looks like one: %s', (_name, text, isOne) => {
    expect(looksLikeQemuCommand(text)).toBe(isOne);
  });
});

describe('memory', () => {
  test.each<[args: string[], memory: Partial<Vm>]>([
    [[], { memory: '128MiB' }],
    [['-m', '512'], { memory: '512MiB' }],
    [['-m', '4G'], { memory: '4GiB' }],
    [['-m', '1.5g'], { memory: '1536MiB' }],
    [['-m', '0x200'], { memory: '512MiB' }],
    [['-m', 'size=4194304k'], { memory: '4GiB' }],
    [['-m', '8388609M'], { memory: '8388609MiB' }],
    [['-m', '100000b'], { memory: '104KiB' }],
    [['-m', '0'], { memory: '128MiB' }],
    [['-m', '1G', '-m', 'maxmem=1099511627776,slots=4'], { memory: '1GiB', maxMemory: '1TiB', slots: 4 }],
    [['-M', 'max-ram-below-4g=1G'], { memory: '128MiB', maxRamBelow4g: '1GiB' }],
    [
      ['-M', 'memory-backend=m', '-object', 'memory-backend-ram,id=m,size=2G'],
      { memory: '2GiB', memoryBackends: [{ size: '2GiB', share: false }] },
    ],
    [
      [
        ...split('-m 3G -object memory-backend-file,id=a,size=1G,share=on -numa node,memdev=a'),
        ...split('-object memory-backend-memfd,id=b,size=2G,share=off -numa node,memdev=b -numa cpu,node-id=0'),
      ],
      {
        memory: '3GiB',
        memoryBackends: [
          { size: '1GiB', share: true },
          { size: '2GiB', share: false },
        ],
      },
    ],
    [
      ['-object', 'memory-backend-ram,id=d,size=8T', ...devices('pc-dimm,memdev=d,id=dimm0')],
      { memory: '128MiB', hotplugged: [{ model: 'dimm', size: '8TiB' }] },
    ],
    [
      [
        ...split('-object memory-backend-ram,id=v,size=8G'),
        ...devices('virtio-mem-pci,memdev=v,requested-size=2G,block-size=4M', 'virtio-mem-pci,memdev=v'),
      ],
      { memory: '128MiB', hotplugged: [{ model: 'virtio-mem', size: '2GiB', blockSize: '4MiB' }] },
    ],
  ])('%j', (args, memory) => {
    const { memory: size, maxMemory, slots, maxRamBelow4g, memoryBackends, hotplugged, otherDevices } = vmOf(args);
    const actual = { memory: size, maxMemory, slots, maxRamBelow4g, memoryBackends, hotplugged };
    expect(JSON.parse(JSON.stringify(actual))).toEqual(memory);
    expect(otherDevices).toBeUndefined();
  });
});

describe('machine and accelerator', () => {
  test.each<[argv: string[], vm: Partial<Vm>]>([
    [['qemu-system-x86_64'], { machine: 'pc', accel: 'tcg' }],
    [['qemu-system-aarch64'], { accel: 'tcg' }],
    [['/usr/libexec/qemu-kvm'], { accel: 'kvm' }],
    [['-m', '1G'], {}],
    [['qemu-system-x86_64', '-enable-kvm'], { machine: 'pc', accel: 'kvm' }],
    [['qemu-system-x86_64', '-accel', 'kvm', '-accel', 'tcg'], { machine: 'pc', accel: 'kvm' }],
    [['kvm', '-machine', 'q35,accel=tcg:kvm'], { machine: 'q35', accel: 'tcg' }],
    [
      ['kvm', '-M', 'pc-q35-9.1', '-machine', 'kernel_irqchip=off'],
      { machine: 'pc-q35-9.1', accel: 'kvm', kernelIrqchip: 'off' },
    ],
    [['kvm', '-M', 'q35,default_bus_bypass_iommu=on'], { machine: 'q35', accel: 'kvm', defaultBusBypassIommu: true }],
    [['kvm', '--machine', 'virt,iommu=smmuv3'], { machine: 'virt', accel: 'kvm', viommu: { model: 'smmuv3' } }],
    [['kvm', '-name', 'kvm'], { name: 'kvm', accel: 'kvm' }],
  ])('%j', (argv, vm) => {
    const { cpu: _cpu, memory: _memory, vfio: _vfio, ...actual } = imported(JSON.stringify(argv)).descriptor.vm;
    expect(actual).toEqual(vm);
  });

  test.each<[guest: string, confidential: Vm['confidential'], guestMemfd: boolean]>([
    ['sev-guest,id=g,policy=1', 'sev', false],
    ['sev-guest,id=g,policy=0x5', 'sev-es', false],
    ['sev-snp-guest,id=g', 'sev-snp', true],
    ['{"qom-type":"tdx-guest","id":"g"}', 'tdx', true],
  ])('%s', (guest, confidential, guestMemfd) => {
    const backend = 'memory-backend-memfd,id=m,size=1G';
    const vm = vmOf(['-M', 'confidential-guest-support=g,memory-backend=m', '-object', guest, '-object', backend]);
    expect(vm).toMatchObject({
      confidential,
      memoryBackends: [{ size: '1GiB', share: true, ...(guestMemfd && { guestMemfd }) }],
    });
  });
});

describe('-cpu', () => {
  test.each<[accel: string, cpu: string | null, expected: Vm['cpu']]>([
    ['kvm', null, undefined],
    ['tcg', null, { vendor: 'AuthenticAMD' }],
    ['kvm', 'host', undefined],
    ['kvm', 'host,migratable=off', { invtsc: true }],
    ['kvm', 'host,migratable=no,-invtsc', { invtsc: false }],
    ['kvm', 'max,migratable=off', { invtsc: true }],
    ['tcg', 'max,migratable=off', { vendor: 'AuthenticAMD' }],
    ['kvm', 'EPYC-Rome,+invtsc,tsc-frequency=2000000000', { invtsc: true, tscFrequency: 2_000_000_000 }],
    ['kvm', 'Haswell,invtsc=on,tsc_freq=2.5G', { invtsc: true, tscFrequency: 2_500_000_000 }],
    ['kvm', 'Haswell,-invtsc,+invtsc,invtsc=on', { invtsc: false }],
    ['tcg', 'Haswell-v4', { vendor: 'GenuineIntel' }],
    ['kvm', 'qemu64,vendor=AuthenticAMD', { vendor: 'AuthenticAMD' }],
    ['kvm', 'host,phys-bits=46', { physBits: 46 }],
    ['kvm', 'host,phys-bits=0', undefined],
    ['kvm', 'host,hv_passthrough', { hvPassthrough: true }],
    ['kvm', 'host,hv-no-nonarch-coresharing=auto', { hvNoNonarchCoresharing: 'auto' }],
  ])('%s, %s', (accel, cpu, expected) => {
    expect(vmOf(['-accel', accel, ...(cpu === null ? [] : ['-cpu', cpu])]).cpu).toEqual(expected);
  });
});

describe('vfio-pci', () => {
  const uuid = '83b8f4f2-509f-382f-3c1e-e6bfe0fa1001';
  test.each<[device: string, expected: VfioDescriptor]>([
    ['vfio-pci,host=3b:00.1', { host: '0000:3b:00.1' }],
    ['vfio-pci,host=0000:3B:1f.7,id=hostdev0', { id: 'hostdev0', host: '0000:3b:1f.7' }],
    ['vfio-pci,host=10000:e1:00.0', { host: '10000:e1:00.0' }],
    ['vfio-pci-nohotplug,host=0000:3b:00.1', { host: '0000:3b:00.1' }],
    ['vfio-pci,sysfsdev=/sys/bus/pci/devices/0000:3b:00.1/', { host: '0000:3b:00.1' }],
    [`vfio-pci,sysfsdev=/sys/bus/mdev/devices/${uuid}`, { type: 'mdev', host: uuid }],
    [`vfio-pci,sysfsdev=/sys/devices/virtual/mtty/mtty/${uuid}`, { type: 'mdev', host: uuid }],
    ['vfio-pci,sysfsdev=/sys/bus/mdev/devices/mine', { type: 'mdev', host: 'mine' }],
    ['vfio-pci,fd=21,id=hostdev0', { id: 'hostdev0', host: 'hostdev0' }],
    ['vfio-pci,fd=21', { host: 'VFIO_FD21' }],
    [`vfio-ap,sysfsdev=/sys/devices/vfio_ap/matrix/${uuid}`, { type: 'vfio-ap', host: uuid }],
    ['{"driver":"vfio-user-pci","socket":{"type":"unix","path":"/s"}}', { type: 'vfio-user-pci' }],
    ['vfio-pci,host=3b:0.1,iommufd=i', { host: '0000:3b:00.1', backend: 'iommufd', iommufdObject: 'i' }],
    ['vfio-pci,host=3b:0.1,enable-migration=on', { host: '0000:3b:00.1', enableMigration: 'on' }],
    ['vfio-pci,host=3b:0.1,enable-migration=auto', { host: '0000:3b:00.1', enableMigration: 'auto' }],
    ['vfio-pci,host=3b:0.1,x-enable-migration=true', { host: '0000:3b:00.1', enableMigration: 'on' }],
    [
      '{"driver":"vfio-pci","host":"3b:0.1","x-enable-migration":false}',
      { host: '0000:3b:00.1', enableMigration: 'off' },
    ],
    ['vfio-pci,host=3b:0.1,x-device-dirty-page-tracking=off', { host: '0000:3b:00.1', deviceDirtyTracking: 'off' }],
    ['vfio-pci,host=3b:0.1,x-pre-copy-dirty-page-tracking=no', { host: '0000:3b:00.1', preCopyDirtyTracking: 'off' }],
    ['vfio-pci,host=3b:0.1,x-migration-multifd-transfer=on', { host: '0000:3b:00.1', multifdTransfer: 'on' }],
    [
      'vfio-pci,host=3b:0.1,x-migration-max-queued-buffers-size=1G',
      { host: '0000:3b:00.1', maxQueuedBuffersSize: '1GiB' },
    ],
    ['vfio-pci-nohotplug,host=3b:0.1,x-ramfb-migrate=auto', { host: '0000:3b:00.1', ramfbMigrate: 'auto' }],
    ['vfio-pci,host=3b:0.1,ats=off', { host: '0000:3b:00.1', ats: 'off' }],
    ['vfio-pci,host=3b:0.1,failover_pair_id=net0', { host: '0000:3b:00.1', unpluggedForMigration: true }],
    ['vfio-pci,host=3b:0.1,x-igd-opregion=on,rombar=0', { host: '0000:3b:00.1' }],
  ])('%s', (device, expected) => {
    expect(vmOf(['-object', 'iommufd,id=i', ...devices(device)]).vfio).toEqual([expected]);
  });

  test.each<[args: string[], expected: 'on' | 'off' | undefined]>([
    [['-global', 'vfio-pci.enable-migration=on'], 'on'],
    [['-global', 'driver=vfio-pci,property=enable-migration,value=on'], 'on'],
    [['-global', 'vfio-pci.enable-migration=on', '-global', 'vfio-pci.enable-migration=off'], 'off'],
    [['-global', 'vfio-ap.enable-migration=on'], undefined],
    [['-set', 'device.h.enable-migration=on'], 'on'],
    [['-global', 'vfio-pci.enable-migration=on', '-set', 'device.h.enable-migration=off'], 'off'],
  ])('%j', (args, expected) => {
    expect(vmOf([...devices('vfio-pci-nohotplug,host=3b:00.1,id=h'), ...args]).vfio[0]?.enableMigration).toBe(expected);
  });
});

describe('where a VFIO device sits', () => {
  const viommu = 'intel-iommu,caching-mode=on';
  const pci = 'vfio-pci,host=3b:00.1';
  test.each<[name: string, list: string[], address: VfioDescriptor['address']]>([
    ['on the root bus', [viommu, pci], undefined],
    ['behind a root port', ['pcie-root-port,id=rp', `${pci},bus=rp`], { bus: 'rp' }],
    [
      'behind an extra root bus that bypasses the vIOMMU',
      [viommu, 'pxb-pcie,id=x,bus_nr=8,bypass_iommu=true', 'pcie-root-port,id=rp,bus=x', `${pci},bus=rp`],
      { bus: 'rp', bypassIommu: true },
    ],
    ['behind an extra root bus', [viommu, 'pxb-pcie,id=x,bus_nr=8', `${pci},bus=x`], { bus: 'x', bypassIommu: false }],
    [
      'behind a conventional bridge',
      ['pcie-pci-bridge,id=b,bus=pcie.0', 'pci-bridge,id=c,bus=b,addr=1', `${pci},bus=c,addr=2`],
      { bus: 'c', behindPciBridge: true },
    ],
    ['before the vIOMMU', [pci, viommu], { bypassIommu: true }],
    ['before a vIOMMU in JSON', ['{"driver":"intel-iommu"}', pci], { bypassIommu: true }],
    [
      'under the SMMU of another bus',
      ['pxb-pcie,id=x,bus_nr=8', 'arm-smmuv3,primary-bus=x,id=s', `${pci},bus=pcie.0`],
      { bus: 'pcie.0', bypassIommu: true },
    ],
    [
      'under one SMMU of two',
      [
        ...split('pxb-pcie,id=x,bus_nr=8 arm-smmuv3,primary-bus=pcie.0 arm-smmuv3,primary-bus=x'),
        'pcie-root-port,id=rp,bus=x',
        `${pci},bus=rp`,
      ],
      { bus: 'rp', bypassIommu: false },
    ],
  ])('%s', (_name, list, address) => {
    expect(vmOf(devices(...list)).vfio.map((device) => device.address)).toEqual([address]);
  });

  test('a device before the vIOMMU is told of', () => {
    expect(notesOf('-M', 'q35', ...devices(`${pci},id=h`, viommu))).toEqual([
      'vfio-pci h is realized before the vIOMMU, and so not translated: QEMU takes devices in their order, those in JSON ' +
        'syntax last.',
    ]);
  });
});

describe('the vIOMMU', () => {
  test.each<[device: string, viommu: Vm['viommu']]>([
    ['intel-iommu', { model: 'intel' }],
    ['intel-iommu,x-scalable-mode=on,x-flts=on', { model: 'intel', scalableMode: true, firstStage: true }],
    ['intel-iommu,scalable-mode=on,fsts=off', { model: 'intel', scalableMode: true, firstStage: false }],
    ['intel-iommu,x-pasid-mode=on', { model: 'intel', pasidBits: 20 }],
    ['intel-iommu,pasid-bits=16', { model: 'intel', pasidBits: 16 }],
    ['intel-iommu,intremap=on,eim=auto', { model: 'intel', intremap: true }],
    [
      'intel-iommu,dma-translation=off,dma-drain=off,snoop-control=on,device-iotlb=on,fs1gp=off,svm=on,eim=off,pt=off',
      {
        model: 'intel',
        firstStage1g: false,
        snoopControl: true,
        dmaDrain: false,
        deviceIotlb: true,
        dmaTranslation: false,
        svm: true,
        eim: false,
      },
    ],
    [
      'virtio-iommu-pci,aw-bits=39,granule=64k,boot-bypass=off',
      { model: 'virtio', addressWidth: 39, granule: '64k', bootBypass: false },
    ],
    ['virtio-iommu', { model: 'virtio' }],
    ['amd-iommu,dma-remap=on,pci-id=p', { model: 'amd', dmaRemap: true, pciId: 'p' }],
    ['arm-smmuv3,accel=on,primary-bus=pcie.0', { model: 'smmuv3', accel: true }],
  ])('%s', (device, viommu) => {
    const vm = vmOf(devices(device));
    expect(vm.viommu).toEqual(viommu);
    expect(vm.otherDevices).toBeUndefined();
  });

  test.each([
    ['a second one is another device', devices('intel-iommu', 'virtio-iommu-pci'), 'intel', ['virtio-iommu-pci']],
    [
      'so is one beside the machine’s own',
      ['-M', 'iommu=smmuv3', ...devices('virtio-iommu-pci')],
      'smmuv3',
      ['virtio-iommu-pci'],
    ],
  ])('%s', (_name, args, model, others) => {
    const vm = vmOf(args);
    expect([vm.viommu?.model, vm.otherDevices?.map(({ type }) => type)]).toEqual([model, others]);
  });
});

describe('other devices', () => {
  test('have their properties as switches, numbers and text, and those of what they name', () => {
    const args = [
      ...split(
        '-netdev {"type":"vhost-user","id":"n","chardev":"c","vhostforce":true} -virtfs local,path=/s,mount_tag=t',
      ),
      ...split('-chardev socket,id=c,path=/run/vhost -tpmdev emulator,id=tpm0,chardev=c'),
      ...devices('virtio-net-pci,netdev=n,mq=on,vectors=10,mac=52:54:00:00:00:01,addr=3', 'tpm-crb,tpmdev=tpm0'),
      ...devices('nvme,serial=1,drive=d,subsys=s,sriov_max_vfs=0x2,note=a,,b,max_ioqpairs=6,cmb_size_mb=007'),
    ];
    expect(vmOf(args).otherDevices).toEqual([
      {
        type: 'virtio-9p-pci',
        path: '0000:00:01.0/virtio-9p',
        properties: { fsdev: 't', mount_tag: 't', 'fsdev.path': '/s' },
      },
      {
        type: 'virtio-net-pci',
        path: '0000:00:03.0/virtio-net',
        properties: {
          netdev: 'n',
          mq: true,
          vectors: 10,
          mac: '52:54:00:00:00:01',
          addr: '3',
          'netdev.type': 'vhost-user',
          'netdev.chardev': 'c',
          'netdev.vhostforce': true,
        },
      },
      {
        type: 'tpm-crb',
        properties: { tpmdev: 'tpm0', 'tpmdev.type': 'emulator', 'tpmdev.chardev': 'c' },
      },
      {
        type: 'nvme',
        path: '0000:00:02.0/nvme',
        properties: {
          serial: 1,
          drive: 'd',
          subsys: 's',
          sriov_max_vfs: 2,
          note: 'a,b',
          max_ioqpairs: 6,
          cmb_size_mb: '007',
        },
      },
    ]);
  });

  test('are in the order in which QEMU realizes them', () => {
    const args = [
      ...devices('{"driver":"nvme","id":"json"}', 'edu,id=first'),
      '-drive',
      'if=virtio,file=a,format=raw',
      ...devices('vfio-pci,host=3b:00.1,id=second', 'ufs,id=third'),
      ...split('-audio none,model=virtio'),
    ];
    const vm = vmOf(args);
    const placed = [...(vm.otherDevices ?? []), ...vm.vfio].map(({ id, position = -1 }) => [position, id] as const);
    expect(placed.toSorted(([a], [b]) => a - b)).toEqual([
      [0, undefined],
      [1, 'first'],
      [2, 'second'],
      [3, 'third'],
      [4, undefined],
      [5, 'json'],
    ]);
  });

  test.each([
    ['virtio-crypto', 'virtio-crypto'],
    ['virtio-sound-pci', '0000:00:01.0/virtio-sound-device'],
    ['vhost-user-rng-pci-non-transitional', '0000:00:01.0/vhost-user-rng'],
    ['rocker', '0000:00:01.0/rocker'],
    ['hv-syndbg', 'hv-syndbg'],
    ['some-future-card', undefined],
    ['isa-debug-exit', undefined],
  ])('%s is called %s', (type, path) => {
    const [device] = vmOf(devices(type)).otherDevices ?? [];
    expect(device?.path).toBe(type === 'virtio-crypto' ? undefined : path);
  });
});

describe('the PCI slots that QEMU assigns', () => {
  /** Paths of the devices without what they are, by id; those of the vfio-pci devices are not told. */
  const pathsOf = (args: string[], program?: string): Record<string, string | undefined> =>
    Object.fromEntries(
      (imported(JSON.stringify([program ?? 'qemu-system-x86_64', ...args])).descriptor.vm.otherDevices ?? []).flatMap(
        ({ id, path }) => (id === undefined ? [] : [[id, path?.replace(/\/edu$|\/nvme$/, '')]]),
      ),
    );
  const q35 = ['-M', 'q35', '-nodefaults'];

  test.each<[name: string, args: string[], paths: Record<string, string | undefined>]>([
    ['one after the other', [...q35, ...devices('edu,id=a', 'edu,id=b')], { a: '0000:00:01.0', b: '0000:00:02.0' }],
    ['an i440fx has two slots of its own', ['-M', 'pc', '-nodefaults', ...devices('edu,id=a')], { a: '0000:00:02.0' }],
    ['a virt has one', ['-M', 'virt-10.0', '-nodefaults', ...devices('edu,id=a')], { a: '0000:00:01.0' }],
    ['a display and a network card come first', ['-M', 'q35', ...devices('edu,id=a')], { a: '0000:00:03.0' }],
    ['on a virt a network card alone', ['-M', 'virt', ...devices('edu,id=a')], { a: '0000:00:02.0' }],
    [
      'a -netdev takes the card’s place',
      ['-M', 'q35', '-netdev', 'user,id=n', ...devices('edu,id=a')],
      { a: '0000:00:02.0' },
    ],
    ['a display of one’s own', ['-M', 'q35', '-nic', 'none', ...devices('VGA', 'edu,id=a')], { a: '0000:00:02.0' }],
    [
      '-vga and -nic',
      [...q35, '-vga', 'qxl', '-nic', 'user', '-nic', 'tap', ...devices('edu,id=a')],
      { a: '0000:00:04.0' },
    ],
    [
      '-vga none and -net nic',
      ['-M', 'q35', '-vga', 'none', '-net', 'nic', '-net', 'user', ...devices('edu,id=a')],
      { a: '0000:00:02.0' },
    ],
    ['a sound card of -audio', [...q35, '-audio', 'none,model=hda', ...devices('edu,id=a')], { a: '0000:00:02.0' }],
    [
      'what is given is kept',
      [...q35, ...devices('edu,id=a,addr=0x2', 'edu,id=b', 'edu,id=c', 'edu,id=d,addr=1f.7')],
      { a: '0000:00:02.0', b: '0000:00:01.0', c: '0000:00:03.0', d: '0000:00:1f.7' },
    ],
    [
      'slot 31 is taken',
      [...q35, ...devices('edu,addr=1e', ...Array.from({ length: 29 }, () => 'edu'), 'edu,id=a')],
      { a: undefined },
    ],
    ['a number in JSON', [...q35, '-device', '{"driver":"edu","id":"a","addr":17}'], { a: '0000:00:02.1' }],
    ['VFIO devices take one', [...q35, ...devices('vfio-pci,host=3b:00.1', 'edu,id=a')], { a: '0000:00:02.0' }],
    [
      'a virtio-iommu takes one, an intel-iommu none',
      [...q35, ...devices('virtio-iommu-pci', 'intel-iommu', 'edu,id=a')],
      { a: '0000:00:02.0' },
    ],
    ['an amd-iommu makes a PCI device', [...q35, ...devices('amd-iommu', 'edu,id=a')], { a: '0000:00:02.0' }],
    [
      'unless it has one',
      [...q35, ...devices('AMDVI-PCI,id=p', 'amd-iommu,pci-id=p', 'edu,id=a')],
      { p: '0000:00:01.0/AMDVI-PCI', a: '0000:00:02.0' },
    ],
    [
      'behind a port',
      [...q35, ...devices('pcie-root-port,id=rp', 'nvme-subsys', 'nvme,bus=rp,id=a', 'edu,id=b')],
      { rp: '0000:00:01.0/pcie-root-port', a: '0000:00:01.0:00.0', b: '0000:00:02.0' },
    ],
    [
      'behind a switch',
      [
        ...q35,
        ...devices(
          'ioh3420,id=r',
          'x3130-upstream,id=u,bus=r',
          'xio3130-downstream,id=d,bus=u,addr=3',
          'edu,id=a,bus=d',
        ),
      ],
      {
        r: '0000:00:01.0/ioh3420',
        u: '0000:00:01.0:00.0/x3130-upstream',
        d: '0000:00:01.0:00.0:03.0/xio3130-downstream',
        a: '0000:00:01.0:00.0:03.0:00.0',
      },
    ],
    [
      'behind an extra root bus',
      [...q35, ...devices('pxb-pcie,id=x,bus_nr=0x80', 'edu,id=a,bus=x', 'edu,id=b,bus=pcie.0')],
      { x: '0000:00:01.0/pxb-pcie', a: '0000:80:00.0', b: '0000:00:02.0' },
    ],
    [
      'with an extra root bus, and none named',
      [...q35, ...devices('pxb-pcie,id=x,bus_nr=8', 'edu,id=a')],
      { x: '0000:00:01.0/pxb-pcie', a: undefined },
    ],
    [
      'after a device that may be on any bus',
      [...q35, ...devices('some-future-card', 'edu,id=a', 'edu,id=b,addr=5')],
      { a: undefined, b: '0000:00:05.0' },
    ],
    ['on a bus that is not known', [...q35, ...devices('edu,id=a,bus=nowhere')], { a: undefined }],
    ['on a machine that is not known', ['-M', 'pseries', ...devices('edu,id=a')], { a: undefined }],
    [
      'behind a bridge whose first slot is not for devices',
      [...q35, ...devices('pci-bridge,id=b', 'edu,id=a,bus=b', 'edu,id=c,bus=b,addr=2')],
      { b: '0000:00:01.0/pci-bridge', a: undefined, c: '0000:00:01.0:02.0' },
    ],
  ])('%s', (_name, args, paths) => {
    expect(pathsOf(args)).toEqual(paths);
  });

  test.each<[name: string, list: string[], ports: (string | undefined)[]]>([
    ['the next port of the controller', ['qemu-xhci', 'usb-mtp', 'usb-net'], ['1', '2']],
    ['the port that is given', ['qemu-xhci', 'usb-mtp,port=2', 'usb-net', 'usb-audio'], ['2', '1', '3']],
    ['a hub of one’s own', ['qemu-xhci', 'usb-hub', 'usb-mtp,port=1.4', 'usb-net'], ['1', '1.4', '2']],
    [
      'a hub that QEMU adds for the last port',
      ['piix3-usb-uhci', 'usb-mtp', 'usb-net', 'usb-audio'],
      ['1', '2.1', '2.2'],
    ],
    [
      'as many ports as were asked for',
      ['qemu-xhci,p2=8,p3=8', ...Array.from({ length: 6 }, () => 'usb-mtp')],
      ['1', '2', '3', '4', '5', '6'],
    ],
    [
      'the controller that is named',
      ['qemu-xhci,id=a', 'usb-ehci,id=b', 'usb-mtp,bus=a.0', 'usb-mtp'],
      ['1', undefined],
    ],
    ['no controller', ['usb-mtp'], [undefined]],
  ])('USB: %s', (_name, list, ports) => {
    const devicesOf = vmOf(devices(...list)).otherDevices ?? [];
    const paths = devicesOf.filter(({ type }) => /^usb-(?!ehci)/.test(type)).map(({ path }) => path?.split('/')[1]);
    expect(paths).toEqual(ports);
    expect(vmOf(devices('qemu-xhci', 'usb-wacom-tablet')).otherDevices?.[1]?.path).toBe('0000:00:01.0/1/usb-wacom');
  });
});

describe('disks', () => {
  test.each<[args: string[], disks: Vm['disks']]>([
    [['-drive', 'file=a.qcow2,if=none,id=d,format=qcow2'], [{ node: '#block', format: 'qcow2' }]],
    [['-drive', 'file=a,driver=vmdk,node-name=n'], [{ node: 'n', format: 'vmdk' }]],
    [['-drive', 'if=none,id=cd,media=cdrom'], undefined],
    [['-blockdev', 'driver=vdi,node-name=n,file.driver=file,file.filename=a'], [{ node: 'n', format: 'vdi' }]],
    [
      [
        '-blockdev',
        '{"driver":"file","node-name":"p","filename":"a"}',
        '-blockdev',
        '{"driver":"qcow","node-name":"n","file":"p"}',
      ],
      [{ node: 'n', format: 'qcow' }],
    ],
    [
      ['-drive', 'file=a,format=raw', '-blockdev', 'driver=vpc,node-name=n,file=x'],
      [
        { node: 'n', format: 'vpc' },
        { node: '#block', format: 'raw' },
      ],
    ],
    [
      ['-drive', 'file=fat:rw:/s,if=none,format=raw'],
      [
        { node: '#block', format: 'qcow' },
        { node: '#block', format: 'vvfat' },
        { node: '#block', format: 'raw' },
      ],
    ],
    [['-drive', 'file=fat:/s,format=raw'], [{ node: '#block', format: 'raw' }]],
    [
      ['-hda', 'fat:16:rw:/s'],
      [
        { node: '#block', format: 'qcow' },
        { node: '#block', format: 'vvfat' },
      ],
    ],
    [
      ['-blockdev', '{"driver":"raw","node-name":"n","file":{"driver":"vvfat","node-name":"f","dir":"/s","rw":true}}'],
      [
        { node: '#block', format: 'qcow' },
        { node: 'f', format: 'vvfat' },
        { node: 'n', format: 'raw' },
      ],
    ],
    [['-blockdev', 'driver=vvfat,node-name=f,dir=/s'], undefined],
  ])('%j', (args, disks) => {
    expect(vmOf(args).disks).toEqual(disks);
  });
});

describe('what is not read is said', () => {
  const unread = (what: string): string[] => [`The command line holds what is not read: ${what}.`];
  test.each<[args: string[], notes: string[]]>([
    [['-m', '1G', '-display', 'none', '-S', '-serial', 'stdio', '-snapshot'], []],
    [['-readconfig', '/etc/vm.cfg'], unread('-readconfig /etc/vm.cfg')],
    [['-plugin', 'a.so', '-usbdevice', 'braille'], unread('-plugin a.so, -usbdevice braille')],
    [['-future', 'thing', '-other'], unread('-future thing, -other')],
    [['-accel', 'whpx'], unread('accelerator whpx')],
    [['-set', 'drive.d.format=raw'], unread('-set drive.d.format=raw')],
    [['-global', 'migration.multifd=on'], unread('-global migration.multifd=on')],
    [devices('vfio-pci,host=3b:00.1,enable-migraton=on'), unread('vfio-pci enable-migraton')],
    [devices('arm-smmuv3,ril=off'), unread('arm-smmuv3 ril')],
    [['-drive', 'file=a.img'], unread('the format of an image that QEMU is to guess')],
    [['-object', 'memory-backend-ram,id=n,size=1G', ...devices('nvdimm,memdev=n')], unread('the memory of an nvdimm')],
    [
      ['-incoming', 'defer'],
      ['-incoming: this QEMU waits for a migration to come; it is judged as the source of one.'],
    ],
  ])('%j', (args, notes) => {
    expect(notesOf(...args)).toEqual(notes);
  });
});

describe('what is wrong is told with its place', () => {
  test.each<[name: string, text: string, faults: ImportFault[]]>([
    ['no QEMU', 'hello', [{ detail: 'no QEMU command: no word is called qemu-system-…, qemu-kvm or kvm' }]],
    ['an empty list', '[]', [{ detail: 'no QEMU command: no word is called qemu-system-…, qemu-kvm or kvm' }]],
    ['a list of others', '["qemu-kvm", 1]', [{ detail: 'argv[1] is no string that could be an argument' }]],
    [
      'two VMs',
      'qemu-kvm -m 1\nqemu-kvm -m 2',
      [{ line: 2, column: 1, detail: 'a second QEMU command; send one VM at a time' }],
    ],
    [
      'a size, and an option that ends the line',
      'qemu-kvm \\\n  -m 12Q -name',
      [
        { line: 2, column: 10, detail: 'argv[3]: -name lacks its argument' },
        { line: 2, column: 6, detail: 'argv[2] of -m: size is "12Q", not a size such as 4096M or 16G' },
      ],
    ],
    [
      'a size past 2^64',
      'kvm\0-m\x0016E\0',
      [{ detail: 'argv[2] of -m: size is "16E", not a size such as 4096M or 16G' }],
    ],
    [
      'a choice',
      'kvm -device vfio-pci,host=3b:0.1,enable-migration=true',
      [{ line: 1, column: 13, detail: 'argv[2] of -device: enable-migration is "true", not on, off, auto' }],
    ],
    [
      'no device of the host',
      'kvm -device vfio-pci',
      [
        {
          line: 1,
          column: 13,
          detail: 'argv[2] of -device: no host=DDDD:BB:DD.F, sysfsdev= or fd= of the host’s device',
        },
      ],
    ],
    [
      'no iommufd',
      'kvm -device vfio-pci,host=3b:0.1,iommufd=i',
      [{ line: 1, column: 13, detail: 'argv[2] of -device: iommufd "i": no -object of type iommufd has this id' }],
    ],
    [
      'no driver',
      'kvm -device id=a',
      [{ line: 1, column: 13, detail: 'argv[2] of -device: a device without a driver' }],
    ],
    [
      'an id twice',
      'kvm -device edu,id=a -device edu,id=a',
      [{ line: 1, column: 30, detail: 'argv[4] of -device: a second device with the id "a"' }],
    ],
    [
      'no backend of a DIMM',
      'kvm -device pc-dimm,memdev=m',
      [{ line: 1, column: 13, detail: 'argv[2] of -device: memdev "m": no -object has this id' }],
    ],
    [
      'JSON that is none',
      `kvm -device '{"driver":}'`,
      [
        { line: 1, column: 13, detail: expect.stringContaining('argv[2] of -device: not JSON: ') as string },
        { line: 1, column: 13, detail: 'argv[2] of -device: a device without a driver' },
      ],
    ],
    [
      'a number that JSON cannot hold',
      `kvm -object '{"qom-type":"x","id":"m","size":9007199254740993}'`,
      [
        {
          line: 1,
          column: 13,
          detail: 'argv[2] of -object: size is a number that JSON cannot hold exactly: write it as a string',
        },
      ],
    ],
    [
      'a -set of nothing',
      'kvm -set a=b',
      [{ line: 1, column: 10, detail: 'argv[2] of -set: -set is "a=b", not GROUP.ID.NAME=VALUE' }],
    ],
    [
      'a -global of nothing',
      'kvm -global a',
      [{ line: 1, column: 13, detail: 'argv[2] of -global: -global is "a", not DRIVER.NAME=VALUE' }],
    ],
    [
      '257 VFIO devices',
      `kvm${' -device vfio-pci,host=3b:00.1'.repeat(257)}`,
      [{ line: 1, column: expect.any(Number) as number, detail: 'argv[514] of -device: more than 256 VFIO devices' }],
    ],
    [
      '1 025 others',
      `kvm${' -device edu'.repeat(1025)}`,
      [
        {
          line: 1,
          column: expect.any(Number) as number,
          detail: 'argv[2050] of -device: more than 1024 other devices, or too many properties of them',
        },
      ],
    ],
  ])('%s', (_name, text, faults) => {
    expect(faultsOf(text)).toEqual(faults);
  });
});

describe('whatever is sent', () => {
  const words = fc.constantFrom(
    ...split('-device -m -machine -object -cpu -drive -blockdev -set -global -numa -name -audio'),
    ...split('vfio-pci,host=3b:00.1 intel-iommu usb-mtp qemu-xhci,id=x nvme,id=__proto__ __proto__=1,driver=edu'),
    ...split(
      'memory-backend-ram,id=m,size=1G node,memdev=m pc-dimm,memdev=m q35,memory-backend=m virtio-mem-pci,memdev=m',
    ),
    ...split('{"driver":"vfio-pci","sysfsdev":"/x"} {"driver":{"a":[1,null]}} -1 1e9 a.b.c=d a.b=c host,+x,-y,z'),
    ...split(
      'pxb-pcie,id=p,bus_nr=3 edu,bus=p,addr=1.1 pcie-root-port,id=r nvme,bus=r -nodefaults -virtfs local,mount_tag=t',
    ),
    'fat:rw:/x',
    'driver=vvfat,rw=on',
    'file=fat:rw:a,if=virtio',
    'none,model=usb-audio',
    ',,,=,',
    '=',
    '',
  );

  test.each([
    ['text', fc.string()],
    ['text after QEMU', fc.string({ unit: 'binary', maxLength: 200 }).map((text) => `qemu-kvm ${text}`)],
    ['arguments', fc.array(fc.string({ unit: 'binary' })).map((args) => ['qemu-kvm', ...args].join('\0'))],
    ['options', fc.array(words, { maxLength: 40 }).map((args) => JSON.stringify(['qemu-system-x86_64', ...args]))],
  ])('%s becomes a valid descriptor or an ImportError', (_name, texts) => {
    fc.assert(
      fc.property(texts, (text) => {
        try {
          imported(text);
        } catch (error) {
          expect(error).toBeInstanceOf(ImportError);
        }
      }),
      { numRuns: 300 },
    );
  });
});
