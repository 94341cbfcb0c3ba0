import type { KubevirtObject } from './kubevirt-object.ts';
import type { XmlElement } from './xml.ts';
import type { YamlNode } from './yaml.ts';

type Attributes = Readonly<Record<string, string | undefined>>;

/** An element of libvirt's for the sake of what stands at `at`. */
function element(
  { line, column }: Pick<YamlNode, 'line' | 'column'>,
  name: string,
  attributes: Attributes = {},
  children: readonly XmlElement[] = [],
  text = '',
): XmlElement {
  const given = Object.entries(attributes).flatMap(([key, value]) =>
    value === undefined ? [] : [[key, value] as const],
  );
  return { line, column, name, attributes: new Map(given), children, text };
}

/**
 * The domain that virt-launcher makes of a virtual machine (Convert_v1_VirtualMachineInstance_To_api_Domain, KubeVirt 1.9),
 * but for the devices of the host, and for ports and adapters that say nothing about migration.
 */
export function domainOf(vmi: KubevirtObject): XmlElement {
  const { domain: at } = vmi;
  const machine = vmi.statusText('machine', 'type') ?? vmi.text('machine', 'type');
  const devices = [...memoryDevice(vmi), ...disks(vmi), ...filesystems(vmi), ...interfaces(vmi), ...others(vmi)];
  return element(at, 'domain', { type: 'kvm' }, [
    ...(vmi.name === '' ? [] : [element(vmi.metadata, 'name', {}, [], vmi.name)]),
    element(at, 'os', {}, [
      element(vmi.node('machine') ?? at, 'type', { arch: ARCHITECTURES.get(vmi.architecture), machine }),
    ]),
    ...memory(vmi),
    element(vmi.node('cpu') ?? at, 'cpu', cpuMode(vmi), processor(vmi)),
    ...(vmi.flag('features', 'hypervPassthrough', 'enabled') === true
      ? [element(at, 'features', {}, [element(at, 'hyperv', { mode: 'passthrough' })])]
      : []),
    ...clock(vmi),
    ...launchSecurity(vmi),
    element(at, 'devices', {}, devices),
  ]);
}

const ARCHITECTURES: ReadonlyMap<string, string> = new Map([
  ['amd64', 'x86_64'],
  ['arm64', 'aarch64'],
  ['s390x', 's390x'],
]);

const size = (at: YamlNode, name: string, bytes: bigint | undefined): XmlElement[] =>
  bytes === undefined ? [] : [element(at, name, { unit: 'b' }, [], String(bytes))];

/** What a running machine was given in a virtio-mem beyond its boot memory (BuildMemoryDevice, pkg/liveupdate/memory). */
function plugged(vmi: KubevirtObject): { pluggable: bigint; requested: bigint } | undefined {
  const [boot, guest, most] = [vmi.bootMemory(), vmi.quantity('memory', 'guest'), vmi.quantity('memory', 'maxGuest')];
  if (boot === undefined || guest === undefined || most === undefined || guest <= boot || most < guest)
    return undefined;
  return { pluggable: most - boot, requested: guest - boot };
}

function memoryDevice(vmi: KubevirtObject): XmlElement[] {
  const beyond = plugged(vmi);
  const at = vmi.node('memory');
  if (beyond === undefined || at === undefined) return [];
  const block = vmi.text('memory', 'hugepages', 'pageSize') === '1Gi' ? 1n << 30n : 2n << 20n;
  const target = [
    ...size(at, 'size', beyond.pluggable),
    ...size(at, 'block', block),
    ...size(at, 'requested', beyond.requested),
  ];
  return [element(at, 'memory', { model: 'virtio-mem' }, [element(at, 'target', {}, target)])];
}

/** All the memory, as libvirt counts it, and what it is made of. */
function memory(vmi: KubevirtObject): XmlElement[] {
  const at = vmi.node('memory') ?? vmi.domain;
  const [guest, most] = [vmi.bootMemory(), vmi.quantity('memory', 'maxGuest')];
  const shared = isShared(vmi);
  const hugepages = vmi.node('memory', 'hugepages');
  const isMemfd = shared || (hugepages !== undefined && vmi.annotation('kubevirt.io/memfd') !== 'false');
  const backing = [
    ...(hugepages ? [element(hugepages, 'hugepages')] : []),
    ...(shared ? [element(at, 'access', { mode: 'shared' })] : []),
    ...(isMemfd ? [element(at, 'source', { type: 'memfd' })] : []),
  ];
  return [
    ...size(at, 'memory', guest === undefined ? undefined : guest + (plugged(vmi)?.pluggable ?? 0n)),
    ...(most !== undefined && most !== guest ? size(at, 'maxMemory', most) : []),
    ...(backing.length > 0 ? [element(at, 'memoryBacking', {}, backing)] : []),
  ];
}

/** Processes beside QEMU serve file systems and passt's networks out of the guest's memory. */
const isShared = (vmi: KubevirtObject): boolean =>
  vmi.list('devices', 'filesystems').some((each) => vmi.has(each, 'virtiofs')) ||
  vmi.list('devices', 'interfaces').some((each) => vmi.has(each, 'passtBinding'));

/** Of a model that names a mode, and the usual mode. */
function cpuMode(vmi: KubevirtObject): Attributes {
  const model = vmi.text('cpu', 'model') || 'host-model';
  return { mode: /^host-(?:model|passthrough)$/.test(model) ? model : 'custom' };
}

function processor(vmi: KubevirtObject): XmlElement[] {
  const model = vmi.text('cpu', 'model');
  const at = vmi.node('cpu') ?? vmi.domain;
  return [
    ...(model !== undefined && cpuMode(vmi)['mode'] === 'custom' ? [element(at, 'model', {}, [], model)] : []),
    ...vmi
      .list('cpu', 'features')
      .filter((feature) => !vmi.isLeftToNode(feature))
      .map((feature) =>
        element(feature, 'feature', {
          name: vmi.textOf(feature, 'name'),
          policy: vmi.textOf(feature, 'policy') ?? 'require',
        }),
      ),
  ];
}

/** A TSC frequency is the node's, and only told once the machine has one. */
function clock(vmi: KubevirtObject): XmlElement[] {
  const frequency = vmi.statusNumber('topologyHints', 'tscFrequency');
  if (frequency === undefined || !vmi.needsTscFrequency) return [];
  const timer = element(vmi.domain, 'timer', { name: 'tsc', frequency: String(frequency) });
  return [element(vmi.domain, 'clock', {}, [timer])];
}

/** Bits of SEV's policy: without debugging, and with encrypted registers. */
const [SEV_NO_DEBUG, SEV_ENCRYPTED_STATE] = [1, 4];

function launchSecurity(vmi: KubevirtObject): XmlElement[] {
  const at = vmi.node('launchSecurity');
  if (at === undefined || vmi.architecture !== 'amd64') return [];
  const isEncrypted = vmi.flag('launchSecurity', 'sev', 'policy', 'encryptedState') === true;
  const policy = element(
    at,
    'policy',
    {},
    [],
    `0x${(SEV_NO_DEBUG | (isEncrypted ? SEV_ENCRYPTED_STATE : 0)).toString(16)}`,
  );
  if (vmi.has(at, 'sev')) return [element(at, 'launchSecurity', { type: 'sev' }, [policy])];
  if (vmi.has(at, 'snp')) return [element(at, 'launchSecurity', { type: 'sev-snp' })];
  return vmi.has(at, 'tdx') ? [element(at, 'launchSecurity', { type: 'tdx' })] : [];
}

/** virtio devices keep to version 1 unless they are asked to be transitional. */
const virtioModel = (vmi: KubevirtObject): string =>
  vmi.architecture === 's390x'
    ? 'virtio'
    : vmi.flag('devices', 'useVirtioTransitional') === true
      ? 'virtio-transitional'
      : 'virtio-non-transitional';

/** Volumes that a disk sees through an image of its own. */
const OVERLAID = ['containerDisk', 'ephemeral'];

function disks(vmi: KubevirtObject): XmlElement[] {
  const volumes = new Map(vmi.volumes().map((volume) => [vmi.textOf(volume, 'name'), volume]));
  return vmi.list('devices', 'disks').map((disk) => {
    const kind = ['disk', 'lun', 'cdrom'].find((each) => vmi.has(disk, each)) ?? 'disk';
    const bus = vmi.textOf(disk, kind, 'bus') || 'sata';
    const volume = volumes.get(vmi.textOf(disk, 'name'));
    const isOverlaid = volume !== undefined && OVERLAID.some((each) => vmi.has(volume, each));
    return element(
      disk,
      'disk',
      { type: 'file', device: kind, model: bus === 'virtio' ? virtioModel(vmi) : undefined },
      [
        element(disk, 'driver', { type: isOverlaid ? 'qcow2' : 'raw' }),
        element(disk, 'source'),
        element(disk, 'target', { bus }),
      ],
    );
  });
}

const filesystems = (vmi: KubevirtObject): XmlElement[] =>
  vmi
    .list('devices', 'filesystems')
    .filter((each) => vmi.has(each, 'virtiofs'))
    .map((each) =>
      element(each, 'filesystem', {}, [
        element(each, 'driver', { type: 'virtiofs' }),
        element(each, 'target', { dir: vmi.textOf(each, 'name') }),
      ]),
    );

/** Network cards that QEMU has; a binding plugin may make anything of its own. */
const interfaces = (vmi: KubevirtObject): XmlElement[] =>
  vmi
    .list('devices', 'interfaces')
    .filter((each) => !vmi.has(each, 'sriov') && !vmi.has(each, 'binding') && vmi.textOf(each, 'state') !== 'absent')
    .map((each) => {
      const model = vmi.textOf(each, 'model') || 'virtio';
      return element(each, 'interface', { type: vmi.has(each, 'passtBinding') ? 'vhostuser' : 'ethernet' }, [
        element(each, 'model', { type: model === 'virtio' ? virtioModel(vmi) : model }),
      ]);
    });

/** What KubeVirt can have redirected of a client's USB devices. */
const REDIRECTED = 4;

/** Devices of which there is one, or which nothing but their type is told of. */
function others(vmi: KubevirtObject): XmlElement[] {
  const model = virtioModel(vmi);
  const one = (name: string, read: (at: YamlNode) => XmlElement[]): XmlElement[] => {
    const at = vmi.node('devices', name);
    return at ? read(at) : [];
  };
  return [
    ...one('tpm', (at) => {
      if (vmi.flag('devices', 'tpm', 'enabled') === false) return [];
      const isPersistent = vmi.flag('devices', 'tpm', 'persistent') === true;
      const backend = element(at, 'backend', { type: 'emulator' });
      return [element(at, 'tpm', { model: isPersistent ? 'tpm-crb' : 'tpm-tis' }, [backend])];
    }),
    ...vmi
      .list('devices', 'inputs')
      .map((at) => element(at, 'input', { type: vmi.textOf(at, 'type'), bus: vmi.textOf(at, 'bus') || 'usb' })),
    ...one('sound', (at) => [element(at, 'sound', { model: vmi.text('devices', 'sound', 'model') || 'ich9' })]),
    ...one('watchdog', (at) => [element(at, 'watchdog', { model: vmi.has(at, 'diag288') ? 'diag288' : 'i6300esb' })]),
    ...one('clientPassthrough', (at) =>
      Array.from({ length: REDIRECTED }, () => element(at, 'redirdev', { bus: 'usb' })),
    ),
    ...(vmi.flag('devices', 'autoattachMemBalloon') === false ? [] : [element(vmi.domain, 'memballoon', { model })]),
    ...one('rng', (at) => [element(at, 'rng', { model })]),
    ...vmi.list('devices', 'panicDevices').map((at) => element(at, 'panic', { model: vmi.textOf(at, 'model') })),
    ...(vmi.flag('devices', 'autoattachVSOCK') === true
      ? [element(vmi.domain, 'vsock', { model: 'virtio-non-transitional' })]
      : []),
  ];
}
