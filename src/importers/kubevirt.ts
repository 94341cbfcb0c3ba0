import type { Descriptor, VfioDescriptor } from '../descriptor/schema.ts';
import { DEVICES_MAX } from '../descriptor/schema.ts';
import { refuse } from './import-error.ts';
import { type Found, given, type Imported } from './imported.ts';
import { domainOf } from './kubevirt-domain.ts';
import { KubevirtObject, memberOf, told } from './kubevirt-object.ts';
import { readDomain } from './libvirt-xml.ts';
import { quoted, Remarks } from './qemu-remarks.ts';
import { parseYaml, type YamlNode } from './yaml.ts';

/**
 * The virtual machines of a KubeVirt object in YAML or JSON: a VirtualMachineInstance, a VirtualMachine, or a List of
 * either, as `kubectl get` prints them. Each becomes what the domain that virt-launcher makes of it becomes. Throws an
 * ImportError with the faults found, and never anything else. Fields and their defaults are those of KubeVirt 1.9.
 */
export const findKubevirt = (text: string): readonly Found[] =>
  objectsIn(parseYaml(text)).map((object) => ({ place: placeOf(object), read: () => importObject(object) }));

/** The list that `kubectl get` wraps several objects into is of the core's API. */
function objectsIn(root: YamlNode): readonly YamlNode[] {
  const [kind, version, items] = ['kind', 'apiVersion', 'items'].map((each) => memberOf(root, each));
  if (typeof kind?.value === 'string' && kind.value.endsWith('List') && Array.isArray(items?.value)) {
    return (items.value as readonly YamlNode[]).flatMap(objectsIn);
  }
  if (typeof version?.value !== 'string' || !version.value.startsWith('kubevirt.io/')) {
    refuse(placeOf(version ?? root), `apiVersion is ${told(version)}, not one of kubevirt.io`);
  }
  if (kind?.value === 'VirtualMachine' || kind?.value === 'VirtualMachineInstance') return [root];
  return refuse(placeOf(kind ?? root), `kind is ${told(kind)}, not VirtualMachine or VirtualMachineInstance`);
}

const placeOf = ({ line, column }: YamlNode): { line: number; column: number } => ({ line, column });

function importObject(object: YamlNode): Imported {
  const remarks = new Remarks('The KubeVirt object');
  const vmi = new KubevirtObject(object, remarks);
  refuseMissing(object, vmi, remarks);
  const { vm } = readDomain(domainOf(vmi), remarks);
  const vfio = hostDevices(vmi, remarks);
  noteUnknown(vmi, remarks);
  const descriptor: Descriptor = given({
    state: vmi.isRunning ? ('running' as const) : undefined,
    vm: { ...vm, vfio: vfio.map(({ device }) => device) },
    source: {},
  });
  const notes = remarks.close();
  const lines = Object.entries(remarks.origins).map(([pointer, origin]) => [pointer, origin.replace(/: <.*/, '')]);
  const devices = vfio.map(({ at }, index) => [`/vm/vfio/${index}`, `line ${at.line}`]);
  const origins = { '/vm': `line ${object.line}`, ...Object.fromEntries([...lines, ...devices]) };
  return { descriptor, notes, origins };
}

/** An instance type is another object, in which the memory of a VirtualMachine may stand. */
function refuseMissing(object: YamlNode, vmi: KubevirtObject, remarks: Remarks): void {
  if (vmi.bootMemory() !== undefined) return;
  const instancetype = memberOf(object, 'spec', 'instancetype');
  const why = instancetype
    ? `its memory is in the instance type ${told(memberOf(instancetype, 'name'))}: send the VirtualMachineInstance`
    : 'neither memory.guest nor resources say how much memory it has';
  remarks.faultAt(vmi.domain, why);
}

/** Where devices of the host are listed, and what virt-launcher puts before their names; in its order. */
const HOST_DEVICES = [
  { list: 'hostDevices', prefix: 'ua-hostdevice-' },
  { list: 'gpus', prefix: 'ua-gpu-' },
  { list: 'interfaces', prefix: 'ua-sriov-' },
] as const;

interface HostDevice {
  readonly at: YamlNode;
  readonly device: VfioDescriptor;
}

/**
 * What virt-launcher makes host devices of the domain. Which device of the host that is, and of what kind, the node tells
 * when the machine starts. SR-IOV networks are unplugged before a migration (hotUnplugHostDevices).
 */
function hostDevices(vmi: KubevirtObject, remarks: Remarks): HostDevice[] {
  const devices = HOST_DEVICES.flatMap(({ list, prefix }): HostDevice[] =>
    vmi
      .list('devices', list)
      .filter((at) => list !== 'interfaces' || vmi.has(at, 'sriov'))
      .flatMap((at) => {
        const name = vmi.textOf(at, 'name');
        if (name === undefined || !/^[\w.-]{1,200}$/.test(name)) {
          return remarks.faultAt(at, `${list} holds one without a name that QEMU could take`) ?? [];
        }
        const isUnplugged = list === 'interfaces' ? true : undefined;
        return [{ at, device: given({ id: `${prefix}${name}`, unpluggedForMigration: isUnplugged }) }];
      }),
  );
  const ids = new Set<string>();
  for (const { at, device } of devices) {
    if (ids.has(device.id ?? '')) remarks.faultAt(at, `a second device called ${quoted(device.id ?? '')}`);
    ids.add(device.id ?? '');
  }
  const beyond = devices[DEVICES_MAX];
  if (beyond) remarks.faultAt(beyond.at, `more than ${DEVICES_MAX} host devices`);
  return devices.slice(0, DEVICES_MAX);
}

/** What decides about migration, and stands in no field of the object. */
function noteUnknown(vmi: KubevirtObject, remarks: Remarks): void {
  for (const list of ['hostDevices', 'gpus'] as const) {
    for (const at of vmi.list('devices', list)) {
      const [name, resource] = ['name', 'deviceName'].map((each) => vmi.textOf(at, each) ?? '');
      remarks.note(
        `${list} ${quoted(name ?? '')} (${resource}) is taken for a PCI device: whether it is a mediated or a USB device only the node tells.`,
      );
    }
  }
  if (
    HOST_DEVICES.some(({ list }) =>
      vmi.list('devices', list).some((at) => list !== 'interfaces' || vmi.has(at, 'sriov')),
    )
  ) {
    remarks.note('KubeVirt’s feature gate IOMMUFD is taken to be off: with it, devices are of the backend iommufd.');
  }
  for (const at of vmi.list('devices', 'interfaces').filter((each) => vmi.has(each, 'binding'))) {
    remarks.unread(`interface ${vmi.textOf(at, 'name')} of a network binding plugin`);
  }
  if (vmi.list('cpu', 'features').some((feature) => vmi.isLeftToNode(feature))) {
    remarks.note('cpu feature invtsc: the TSC frequency that KubeVirt adds is the node’s; taken to be set.');
  }
  if (vmi.node('cpu', 'numa', 'guestMappingPassthrough')) remarks.unread('cpu.numa.guestMappingPassthrough');
  if (vmi.annotation('hooks.kubevirt.io/hookSidecars') !== undefined) {
    remarks.note('A hook sidecar may change the domain: send its domain XML instead.');
  }
}
