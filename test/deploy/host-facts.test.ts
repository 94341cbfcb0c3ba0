import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { check } from '../../src/descriptor/check.ts';
import { type HostDescriptor, host as schema } from '../../src/descriptor/schema.ts';
import { FakeHost, isHere } from './fake-host.ts';

const SCRIPT = 'deploy/recipes/host-facts';
const PCI = 'sys/bus/pci/devices';

/** A host of which nothing can be read: no command answers, whatever this machine has. */
function bareHost(): FakeHost {
  const host = new FakeHost().command('uname', 'echo x86_64');
  for (const name of ['virsh', 'qemu-system-x86_64', 'qemu-kvm', 'lspci', 'getconf']) host.command(name, 'exit 1');
  return host;
}

/** A PCI device that is bound to `driver`. */
const withDevice = (host: FakeHost, address: string, driver: string, iommu?: string): FakeHost => {
  host.link(`${PCI}/${address}/driver`, `../../../bus/pci/drivers/${driver}`);
  if (iommu) host.link(`${PCI}/${address}/iommu`, `../../virtual/iommu/${iommu}`);
  return host;
};

interface Run {
  readonly facts: HostDescriptor;
  readonly said: string;
}

/** What the script prints on `host`; it must be what the service takes for a host. */
function run(host: FakeHost, ...args: string[]): Run {
  const { status, stdout, stderr } = spawnSync('sh', [SCRIPT, ...args], { env: host.env, encoding: 'utf8' });
  expect(status, stderr).toBe(0);
  const printed: unknown = JSON.parse(stdout);
  const facts = schema.parse(printed);
  expect(facts).toEqual(printed);
  return { facts, said: stderr };
}

/** A register with these fields, as sysfs prints it. */
const register = (...fields: readonly (readonly [value: number, bit: number])[]): string =>
  `${fields.reduce((all, [value, bit]) => all | (BigInt(value) << BigInt(bit)), 0n).toString(16)}\n`;

/** Fields of VT-d's capability registers. */
const MGAW = 16;
const FS1GP = 56;
const ESRTPS = 63;
const [PSS, PASID, SMTS, SLADS, SMPWC] = [35, 40, 43, 45, 48];

/** A field of AMD's. */
const HDSUP = 52;

describe('host-facts', () => {
  it('prints nothing that it could not read, and says so', () => {
    using host = bareHost();
    const { facts, said } = run(host);
    expect(facts).toEqual({});
    const unknown = [...said.matchAll(/^host-facts: (\S+) (?:is|are) left unknown/gm)].map(([, name]) => name);
    expect(unknown).toEqual([
      'qemu',
      'libvirt',
      'kernel',
      'pageSize',
      'memory',
      'memlockLimit',
      'type1/dmaEntryLimit',
      'iommufd',
      'devices',
      'iommu',
    ]);
  });

  it('tells of versions, memory and the limits of type1', () => {
    using host = bareHost()
      .command(
        'virsh',
        "printf 'Using library: libvirt 11.3.0\\nRunning hypervisor: QEMU 10.0.2\\n\\nRunning against daemon: 11.2.0\\n'",
      )
      .command('getconf', 'test "$1" = PAGESIZE && echo 4096')
      .file('proc/sys/kernel/osrelease', '6.12.107+deb13-amd64\n')
      .file('proc/meminfo', 'MemTotal:       263921232 kB\nMemFree:        1 kB\n')
      .file('sys/module/vfio_iommu_type1/parameters/dma_entry_limit', '65535\n')
      .file('dev/iommu', '');
    expect(run(host).facts).toEqual({
      qemu: '10.0.2',
      libvirt: '11.2.0',
      kernel: '6.12.107+deb13-amd64',
      pageSize: 4096,
      memory: '263921232KiB',
      iommufd: true,
      type1: { dmaEntryLimit: 65_535 },
    });
  });

  it.each<[name: string, prepare: (host: FakeHost) => FakeHost, qemu: string]>([
    [
      'that libvirt does not know',
      (host) => host.command('qemu-system-x86_64', "echo 'QEMU emulator version 9.2.0 (Debian 1:9.2.0+ds-5)'"),
      '9.2.0',
    ],
    [
      'of Red Hat',
      (host) => host.command('qemu-kvm', "echo 'QEMU emulator version 9.1.0 (qemu-kvm-9.1.0-15.el9)'"),
      '9.1.0',
    ],
  ])('tells of a QEMU %s', (_name, prepare, qemu) => {
    using host = prepare(bareHost());
    const { facts, said } = run(host);
    expect(facts).toEqual({ qemu });
    expect(said).toContain(`qemu ${qemu} is the one that is installed: a VM that runs may have an older one`);
  });

  it.each<[name: string, config: string, facts: HostDescriptor]>([
    ['without iommufd', '# CONFIG_IOMMUFD is not set\n', { iommufd: false, type1: { emulatedByIommufd: false } }],
    [
      'whose iommufd may not be loaded',
      'CONFIG_IOMMUFD=m\n# CONFIG_IOMMUFD_VFIO_CONTAINER is not set\n',
      { type1: { emulatedByIommufd: false } },
    ],
    [
      'that emulates type1',
      'CONFIG_IOMMUFD=y\nCONFIG_IOMMUFD_VFIO_CONTAINER=y\n',
      { type1: { emulatedByIommufd: true } },
    ],
  ])('tells of a kernel %s', (_name, config, facts) => {
    using host = bareHost().file('proc/sys/kernel/osrelease', '7.1.8\n').file('boot/config-7.1.8', config);
    expect(run(host).facts).toEqual({ kernel: '7.1.8', ...facts });
  });

  it('tells of a container that is a link to iommufd', () => {
    using host = bareHost().file('dev/iommu', '').link('dev/vfio/vfio', '/dev/iommu');
    expect(run(host).facts).toEqual({ iommufd: true, type1: { emulatedByIommufd: true } });
  });

  it.each<[name: string, files: Readonly<Record<string, string>>, iommu: HostDescriptor['iommu']]>([
    [
      'of Intel, without dirty tracking',
      { 'dmar0/intel-iommu/cap': register([47, MGAW]), 'dmar0/intel-iommu/ecap': register([1, SMTS], [1, SMPWC]) },
      { vendor: 'intel', addressWidth: 48, firstStage1g: false, pasidBits: 0, dirtyTracking: false },
    ],
    [
      'of Intel, with all that dirty tracking needs but scalable mode, which it does not tell',
      {
        'dmar0/intel-iommu/cap': register([56, MGAW], [1, FS1GP], [1, ESRTPS]),
        'dmar0/intel-iommu/ecap': register([19, PSS], [1, PASID], [1, SMTS], [1, SLADS], [1, SMPWC]),
      },
      { vendor: 'intel', addressWidth: 57, firstStage1g: true, pasidBits: 20 },
    ],
    [
      'of Intel, in more than one kind',
      {
        'dmar0/intel-iommu/cap': register([38, MGAW]),
        'dmar0/intel-iommu/ecap': register(),
        'dmar1/intel-iommu/cap': register([47, MGAW]),
        'dmar1/intel-iommu/ecap': register(),
      },
      { vendor: 'intel', firstStage1g: false, pasidBits: 0, dirtyTracking: false },
    ],
    [
      'of AMD, without dirty tracking',
      { 'ivhd0/amd-iommu/features': '0:8f77ef22294ada\n' },
      { vendor: 'amd', dirtyTracking: false },
    ],
    ['of AMD, whose HDSup is set', { 'ivhd0/amd-iommu/features': `0:${register([1, HDSUP])}` }, { vendor: 'amd' }],
    [
      'of AMD, of an older kernel',
      { 'ivhd0/amd-iommu/features': '8f77ef22294ada\n' },
      { vendor: 'amd', dirtyTracking: false },
    ],
    ['of Arm', { 'smmu3.0x000000002b400000/power/control': 'auto\n' }, { vendor: 'arm' }],
  ])('tells of an IOMMU %s', (_name, files, iommu) => {
    using host = bareHost();
    for (const [path, content] of Object.entries(files)) host.file(`sys/class/iommu/${path}`, content);
    const { facts, said } = run(host);
    expect(facts).toEqual({ iommu });
    expect(said.includes('iommu/dirtyTracking is left unknown')).toBe(iommu?.dirtyTracking === undefined);
    expect(said.includes('it is not the same everywhere')).toBe('dmar1/intel-iommu/cap' in files);
  });

  it('goes by the IOMMUs of the devices, not by others', () => {
    using host = withDevice(bareHost(), '0000:3b:00.1', 'mlx5_vfio_pci', 'dmar1')
      .file('sys/class/iommu/dmar0/intel-iommu/cap', register([38, MGAW]))
      .file('sys/class/iommu/dmar0/intel-iommu/ecap', register())
      .file('sys/class/iommu/dmar1/intel-iommu/cap', register([47, MGAW]))
      .file('sys/class/iommu/dmar1/intel-iommu/ecap', register());
    expect(run(host).facts.iommu).toMatchObject({ addressWidth: 48 });
  });

  it('lists all devices that are bound to a VFIO driver', () => {
    using host = bareHost().file(`${PCI}/0000:5e:00.0/vfio-dev/vfio7/dev`, '');
    withDevice(host, '0000:3b:00.1', 'mlx5_vfio_pci');
    withDevice(host, '0000:3b:00.2', 'vfio-pci');
    withDevice(host, '0000:3b:00.0', 'mlx5_core');
    withDevice(host, '0000:5e:00.0', 'ice');
    host.link('sys/bus/mdev/devices/4b20d080-1b54-4048-85b3-a6a62d165c01/driver', '../../drivers/nvidia-vgpu-vfio');
    const { facts, said } = run(host);
    expect(facts.devices).toEqual({
      '0000:3b:00.1': { driver: 'mlx5_vfio_pci' },
      '0000:3b:00.2': { driver: 'vfio-pci' },
      '0000:5e:00.0': { driver: 'ice' },
      '4b20d080-1b54-4048-85b3-a6a62d165c01': { driver: 'nvidia-vgpu-vfio' },
    });
    expect(said.match(/was not opened/g)).toHaveLength(4);
  });

  it('calls devices as the VM does', () => {
    using host = withDevice(bareHost(), '0000:3b:00.1', 'mlx5_vfio_pci');
    const { facts, said } = run(host, 'hostdev0=0000:3b:00.1', 'hostdev1=0000:3b:00.7');
    expect(facts.devices).toEqual({ hostdev0: { driver: 'mlx5_vfio_pci' } });
    expect(said).toContain('devices/hostdev1 is left unknown: there is no 0000:3b:00.7 here');
    const vm = { memory: '4GiB', vfio: [{ id: 'hostdev0' }] };
    expect(check({ vm, source: facts })).toEqual([]);
  });

  it('takes any name for one', () => {
    using host = withDevice(bareHost(), '0000:3b:00.1', 'mlx5_vfio_pci');
    const id = String.raw`a "b" \n é`;
    expect(run(host, `${id}=0000:3b:00.1`).facts.devices).toEqual({ [id]: { driver: 'mlx5_vfio_pci' } });
  });

  it.each<[name: string, lspci: string, ats: boolean | undefined]>([
    ['with ATS', "echo 'Capabilities: [100 v1] Address Translation Service (ATS)'", true],
    ['without ATS', "echo 'Capabilities: [60] Express (v2) Endpoint'", false],
    ['whose capabilities only root may see', "echo 'Capabilities: <access denied>'", undefined],
    ['on a host without lspci', 'exit 127', undefined],
  ])('tells of a device %s', (_name, lspci, ats) => {
    using host = withDevice(bareHost(), '0000:3b:00.1', 'mlx5_vfio_pci').command('lspci', lspci);
    expect(run(host).facts.devices).toEqual({
      '0000:3b:00.1': { driver: 'mlx5_vfio_pci', ...(ats !== undefined && { ats }) },
    });
  });

  it('opens no device unless told to', () => {
    using host = withDevice(bareHost(), '0000:3b:00.1', 'mlx5_vfio_pci').command('python3', 'echo opened >&2; exit 1');
    expect(run(host).said).not.toContain('opened\n');
    expect(run(host, '--open').said).toContain('opened\n');
  });

  it('tells what opening a device brings', () => {
    using host = withDevice(bareHost(), '0000:3b:00.1', 'mlx5_vfio_pci').command(
      'python3',
      String.raw`printf 'device\tprotocol\t"v2"\ndevice\tp2p\ttrue\niommu\tdirtyTracking\ttrue\ntype1\tmaxDirtyBitmapSize\t268435456\n'`,
    );
    expect(run(host, '--open', 'hostdev0=0000:3b:00.1').facts).toEqual({
      iommu: { dirtyTracking: true },
      type1: { maxDirtyBitmapSize: 268_435_456 },
      devices: { hostdev0: { driver: 'mlx5_vfio_pci', protocol: 'v2', p2p: true } },
    });
  });

  it('goes by the width that a container told, not by what the IOMMU could have', () => {
    using host = withDevice(bareHost(), '0000:3b:00.1', 'mlx5_vfio_pci', 'dmar0')
      .file('sys/class/iommu/dmar0/intel-iommu/cap', register([56, MGAW]))
      .file('sys/class/iommu/dmar0/intel-iommu/ecap', register())
      .command('python3', String.raw`printf 'iommu\taddressWidth\t48\n'`);
    expect(run(host, '--open').facts.iommu).toMatchObject({ addressWidth: 48 });
    expect(run(host).facts.iommu).toMatchObject({ addressWidth: 57 });
  });

  it.skipIf(!isHere('python3'))('leaves unknown what a device that is none does not answer', () => {
    using host = withDevice(bareHost(), '0000:3b:00.1', 'mlx5_vfio_pci')
      .link(`${PCI}/0000:3b:00.1/iommu_group`, '../../../kernel/iommu_groups/42')
      .file('dev/vfio/vfio', '')
      .file('dev/vfio/42', '');
    const { facts, said } = run(host, '--open');
    expect(facts).toEqual({ devices: { '0000:3b:00.1': { driver: 'mlx5_vfio_pci' } } });
    expect(said).toContain('0000:3b:00.1 is left unknown: Inappropriate ioctl for device');
  });

  it('says how to use it, and takes no other option', () => {
    const help = spawnSync('sh', [SCRIPT, '--help'], { encoding: 'utf8' });
    expect(help).toMatchObject({ status: 0, stderr: '' });
    expect(help.stdout).toContain('host-facts [--open] [[ID=]DEVICE]...');
    expect(spawnSync('sh', [SCRIPT, '--clsoe'], { encoding: 'utf8' })).toMatchObject({ status: 2, stdout: '' });
  });

  it('runs on this machine', () => {
    const { status, stdout } = spawnSync('sh', [SCRIPT], { encoding: 'utf8' });
    expect(status).toBe(0);
    expect(schema.parse(JSON.parse(stdout)).kernel).toBe(
      spawnSync('uname', ['-r'], { encoding: 'utf8' }).stdout.trim(),
    );
  });
});

describe.skipIf(!isHere('python3'))('the part of host-facts that is Python', () => {
  it('compiles', () => {
    const program = 'import pathlib, sys; compile(pathlib.Path(sys.argv[1]).read_bytes(), sys.argv[1], "exec")';
    const { status, stderr } = spawnSync('python3', ['-W', 'error', '-c', program, `${SCRIPT}-ioctl.py`], {
      encoding: 'utf8',
    });
    expect(stderr).toBe('');
    expect(status).toBe(0);
  });

  it('reads what the kernel answers', () => {
    const { status, stderr } = spawnSync('python3', ['-B', '-W', 'error', 'test/deploy/host_facts_ioctl_test.py'], {
      encoding: 'utf8',
    });
    expect(stderr).toMatch(/^OK$/m);
    expect(status).toBe(0);
  });
});
