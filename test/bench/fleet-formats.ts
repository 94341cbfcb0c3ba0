import { parseSize } from '../../src/descriptor/quantities.ts';
import type { Descriptor } from '../../src/descriptor/schema.ts';

/** VMs of the fleet as libvirt and QEMU write them, with what else stands in such documents; each is one line. */

const kibibytes = ({ vm }: Descriptor): bigint => (parseSize(vm.memory) ?? 0n) >> 10n;

/** "0000:3b:00.1" in the attributes of an `<address>`. */
function addressOf(host: string): string {
  const [, domain, bus, slot, fn] = /^(\w+):(\w+):(\w+)\.(\w)$/.exec(host) ?? [];
  return `domain='0x${domain}' bus='0x${bus}' slot='0x${slot}' function='0x${fn}'`;
}

const ROOT_PORTS = 12;

/** The domain XML of `descriptor`. */
export function xmlOf(descriptor: Descriptor): string {
  const { ref, vm } = descriptor;
  const ports = Array.from(
    { length: ROOT_PORTS },
    (_, port) =>
      `<controller type='pci' index='${port + 1}' model='pcie-root-port'><model name='pcie-root-port'/>` +
      `<target chassis='${port + 1}' port='0x${(16 + port).toString(16)}'/><alias name='pci.${port + 1}'/>` +
      `<address type='pci' domain='0x0000' bus='0x00' slot='0x0${2 + (port >> 3)}' function='0x${port & 7}'/></controller>`,
  );
  const hostdevs = vm.vfio.map(
    ({ id, host = '', backend }, index) =>
      `<hostdev mode='subsystem' type='pci' managed='yes'>` +
      `<driver name='vfio'${backend === 'iommufd' ? " iommufd='yes'" : ''}/><source><address ${addressOf(host)}/></source>` +
      `<alias name='${id}'/><address type='pci' domain='0x0000' bus='0x0${index + 2}' slot='0x00' function='0x0'/></hostdev>`,
  );
  const { viommu } = vm;
  const driver = viommu?.model === 'intel' ? "<driver intremap='on' caching_mode='on' aw_bits='48'/>" : '';
  return [
    `<domain type='kvm' id='7'><name>${vm.name}</name><uuid>${ref}</uuid>`,
    `<memory unit='KiB'>${kibibytes(descriptor)}</memory><currentMemory unit='KiB'>${kibibytes(descriptor)}</currentMemory>`,
    `<vcpu placement='static'>16</vcpu><resource><partition>/machine</partition></resource>`,
    `<os><type arch='x86_64' machine='${vm.machine}'>hvm</type><boot dev='hd'/></os>`,
    `<features><acpi/><apic/><vmport state='off'/>${viommu ? "<ioapic driver='qemu'/>" : ''}</features>`,
    `<cpu mode='host-passthrough' check='none' migratable='on'><topology sockets='1' dies='1' cores='16' threads='1'/></cpu>`,
    `<clock offset='utc'><timer name='rtc' tickpolicy='catchup'/><timer name='pit' tickpolicy='delay'/></clock>`,
    `<on_poweroff>destroy</on_poweroff><on_reboot>restart</on_reboot><on_crash>destroy</on_crash>`,
    `<devices><emulator>/usr/bin/qemu-system-x86_64</emulator>`,
    `<disk type='network' device='disk'><driver name='qemu' type='raw' cache='none' discard='unmap'/>`,
    `<source protocol='rbd' name='vms/${ref}_disk' index='1'><host name='10.0.0.1' port='6789'/></source>`,
    `<target dev='vda' bus='virtio'/><alias name='virtio-disk0'/>`,
    `<address type='pci' domain='0x0000' bus='0x01' slot='0x00' function='0x0'/></disk>`,
    ...ports,
    ...hostdevs,
    viommu ? `<iommu model='${viommu.model}'>${driver}</iommu>` : '',
    `<memballoon model='virtio'><stats period='10'/><alias name='balloon0'/></memballoon><rng model='virtio'>`,
    `<backend model='random'>/dev/urandom</backend></rng></devices></domain>`,
  ].join('');
}

/** The command line that libvirt starts QEMU with for `descriptor`. */
export function argvOf(descriptor: Descriptor): string {
  const { ref, vm } = descriptor;
  const { viommu } = vm;
  const uses = vm.vfio.some(({ backend }) => backend === 'iommufd');
  return [
    '/usr/bin/qemu-system-x86_64',
    `-name guest=${vm.name},debug-threads=on -S`,
    `-object {"qom-type":"secret","id":"masterKey0","format":"raw","file":"/var/lib/libvirt/qemu/master-key.aes"}`.replace(
      /\{.*\}/,
      (json) => `'${json}'`,
    ),
    `-machine ${vm.machine},usb=off,dump-guest-core=off,memory-backend=pc.ram${viommu ? ',kernel_irqchip=split' : ''}`,
    `-accel kvm -cpu host,migratable=on -m size=${kibibytes(descriptor)}k`,
    `-object '{"qom-type":"memory-backend-ram","id":"pc.ram","size":${kibibytes(descriptor) << 10n}}'`,
    `-overcommit mem-lock=off -smp 16,sockets=1,dies=1,cores=16,threads=1 -uuid ${ref} -no-user-config -nodefaults`,
    `-chardev socket,id=charmonitor,fd=31,server=on,wait=off -mon chardev=charmonitor,id=monitor,mode=control`,
    `-rtc base=utc,driftfix=slew -no-shutdown -boot strict=on`,
    viommu?.model === 'intel' ? '-device intel-iommu,intremap=on,caching-mode=on,aw-bits=48' : '',
    viommu?.model === 'virtio' ? '-device virtio-iommu-pci' : '',
    ...Array.from(
      { length: ROOT_PORTS },
      (_, port) =>
        `-device '{"driver":"pcie-root-port","port":${16 + port},"chassis":${port + 1},"id":"pci.${port + 1}",` +
        `"bus":"pcie.0","multifunction":${port % 8 === 0},"addr":"0x${2 + (port >> 3)}.0x${port & 7}"}'`,
    ),
    uses ? `-object '{"qom-type":"iommufd","id":"iommufd0"}'` : '',
    ...vm.vfio.map(
      ({ id, host, backend }, index) =>
        `-device '{"driver":"vfio-pci","host":"${host}","id":"${id}",` +
        `${backend === 'iommufd' ? '"iommufd":"iommufd0",' : ''}"bus":"pci.${index + 2}","addr":"0x0"}'`,
    ),
    `-device '{"driver":"virtio-balloon-pci","id":"balloon0","bus":"pci.12","addr":"0x0"}'`,
    '-sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny -msg timestamp=on',
  ]
    .filter((part) => part !== '')
    .join(' ');
}
