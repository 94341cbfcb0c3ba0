import type { Dice } from './dice.ts';
import { WORDS } from './words.ts';

/** A command as QEMU gets it. */
export type Argv = string[];

/** Options with arguments that the corpus may lack. */
const OPTIONS: readonly (readonly [option: string, argument: string])[] = [
  ['-device', 'vfio-pci,host=01:00.0'],
  ['-device', 'vfio-pci,host=0000:3b:00.2,id=hostdev1,bus=pci.1,addr=0x1.0x2,iommufd=iommufd0,enable-migration=on'],
  ['-device', 'vfio-pci,sysfsdev=/sys/bus/mdev/devices/83b8f4f2-509f-382f-3c1e-e6bfe0fa1001,ramfb=on,display=on'],
  ['-device', '{"driver":"vfio-pci","host":"0000:3b:00.3","id":"x","x-enable-migration":true}'],
  ['-device', 'vfio-ap,sysfsdev=/sys/devices/vfio_ap/matrix/83b8f4f2-509f-382f-3c1e-e6bfe0fa1001'],
  ['-object', 'iommufd,id=iommufd0'],
  ['-object', '{"qom-type":"memory-backend-file","id":"ram0","size":4294967296,"share":true,"mem-path":"/x"}'],
  ['-object', 'memory-backend-memfd,id=m1,size=4G,share=on'],
  ['-object', 'sev-guest,id=sev0,cbitpos=47,reduced-phys-bits=1'],
  ['-device', 'pcie-root-port,id=pci.1,bus=pcie.0,chassis=1,addr=2.0'],
  ['-device', 'pxb-pcie,bus_nr=5,id=pxb,bus=pcie.0,bypass_iommu=on'],
  ['-device', 'pc-dimm,id=d,memdev=m1'],
  ['-device', 'virtio-mem-pci,memdev=m1,requested-size=1G,block-size=2M'],
  ['-device', 'virtio-iommu-pci,granule=host,aw-bits=48'],
  ['-device', 'amd-iommu,intremap=on,dma-remap=on,xtsup=on'],
  ['-device', 'intel-iommu,x-scalable-mode=on,x-flts=on,aw-bits=57,device-iotlb=on,pasid=on'],
  ['-device', 'nvme,id=n,serial=1,drive=d0'],
  ['-device', 'usb-host,bus=usb.0'],
  ['-device', 'vhost-user-fs-pci,chardev=c0,tag=t'],
  ['-chardev', 'socket,id=c0,path=/x'],
  ['-netdev', 'vhost-vdpa,id=n0,vhostdev=/dev/vhost-vdpa-0'],
  ['-netdev', 'tap,id=n1,vhost=on'],
  ['-device', 'virtio-net-pci,netdev=n0,failover=on,id=net0'],
  ['-drive', 'file=/x,format=vvfat,if=virtio,id=d0'],
  ['-blockdev', '{"driver":"qcow2","node-name":"q","file":{"driver":"file","filename":"/x"}}'],
  ['-blockdev', 'driver=qcow,node-name=r,file.driver=file,file.filename=/x'],
  ['-fsdev', 'local,id=f,path=/x,security_model=none'],
  ['-virtfs', 'local,path=/x,mount_tag=t,security_model=none,id=v'],
  ['-tpmdev', 'emulator,id=tpm0,chardev=c0'],
  ['-set', 'device.hostdev0.x-enable-migration=on'],
  ['-set', 'device'],
  ['-global', 'vfio-pci.x-enable-migration=on'],
  ['-global', 'driver=vfio-pci,property=ats,value=off'],
  ['-global', 'ICH9-LPC.noreboot'],
  ['-readconfig', '/etc/qemu.cfg'],
  ['-m', '4G,slots=16,maxmem=1T'],
  ['-m', 'size=1'],
  ['-machine', 'virt,iommu=smmuv3,accel=kvm:tcg'],
  ['-machine', 'q35,kernel_irqchip=split,default_bus_bypass_iommu=on,max-ram-below-4g=2G,memory-backend=ram0'],
  ['-machine', 'pc-i440fx-9.0,confidential-guest-support=sev0'],
  ['-cpu', 'host,host-phys-bits=on,phys-bits=46,+invtsc,hv-passthrough,tsc-frequency=1000000000'],
  ['-numa', 'node,memdev=m1'],
  ['-usb', ''],
  ['-only-migratable', ''],
  ['-incoming', 'defer'],
  ['-watchdog', 'i6300esb'],
  ['-net', 'nic,model=e1000'],
  ['-nic', 'user,model=virtio-net-pci'],
  ['-vga', 'qxl'],
  ['-audio', 'driver=none,model=virtio'],
];

/** Changes one thing in `argv`; parts may come from `other`. */
export function mutateArgv(argv: Argv, other: Argv, dice: Dice): void {
  // Its first word is QEMU's name.
  const at = 1 + dice.below(Math.max(1, argv.length - 1));
  const word = argv[at] ?? '-S';
  switch (dice.below(12)) {
    case 0:
      return void argv.splice(at, 1);
    case 1:
      return void argv.splice(at, 0, ...argv.slice(at, at + 2));
    case 2:
      return void argv.push(...argv.splice(at, 2));
    case 3:
    case 4:
    case 5:
      return void argv.splice(
        Math.max(1, argv.length - 2 * dice.below(3)),
        0,
        ...dice.of(OPTIONS).filter((each) => each !== ''),
      );
    case 6:
      return void argv.splice(at, 1, dice.of(WORDS));
    case 7:
      argv[at] = optionsChanged(word, dice);
      return;
    case 8:
      argv[at] = optionsChanged(optionsChanged(word, dice), dice);
      return;
    case 9:
      argv[at] = inOtherSyntax(word);
      return;
    case 10: {
      const from = dice.below(other.length);
      return void argv.splice(at, 0, ...other.slice(from, from + dice.few(8)));
    }
    default:
      if (word.startsWith('-'))
        argv[at] = dice.of([`-${word}`, word.slice(1), `${word}x`, word.toUpperCase(), '-', '--']);
  }
}

/** One of the comma-separated parts of an argument changed. */
function optionsChanged(text: string, dice: Dice): string {
  if (text.startsWith('{'))
    return text.replace(/(?<=:)(?:"[^"]*"|\d+|true|false)/, () =>
      dice.of(['null', '[]', '{"a":{"b":1}}', '1e400', '-1', '"x"', 'true', '{']),
    );
  const parts = text.split(',');
  const at = dice.below(parts.length);
  const [key = ''] = (parts[at] ?? '').split('=', 1);
  const changed = dice.of([
    () => [],
    () => [parts[at] ?? '', parts[at] ?? ''],
    () => [`${key}=${dice.of(WORDS)}`],
    () => [`${key}=`],
    () => [key],
    () => [`no${key}`],
    () => [`=${dice.of(WORDS)}`],
    () => [`${dice.of(['__proto__', 'constructor', 'id', 'bus', 'addr', 'driver', 'toString'])}=${dice.of(WORDS)}`],
    () => ['', parts[at] ?? ''],
    () => [`${parts[at]},`],
    () => [parts[at] ?? '', 'help'],
  ])();
  parts.splice(at, 1, ...changed);
  return parts.join(',');
}

/** `driver,key=value` as JSON, and JSON without its braces. */
function inOtherSyntax(text: string): string {
  if (text.startsWith('{')) return text.replaceAll(/[{}"]/g, '').replaceAll(':', '=');
  const [driver = '', ...rest] = text.split(',');
  const pairs = rest.map((part) => part.split(/=(.*)/s, 2));
  return JSON.stringify({ driver, ...Object.fromEntries(pairs.map(([key, value = 'on']) => [key, value])) });
}

/** A way to write a command, and changes after which it cannot be read. */
interface Form {
  readonly write: (argv: Argv, dice: Dice) => string;
  readonly breaks: readonly ((text: string, dice: Dice) => string)[];
}

const LOG =
  '2026-03-01 12:00:00.000+0000: starting up libvirt version: 11.3.0, package: 1, qemu version: 10.0.2, kernel: 6.12.9, hostname: h';

/** Shell text that says `word`. */
function quoted(word: string, dice: Dice): string {
  const single = `'${word.replaceAll("'", String.raw`'\''`)}'`;
  if (/^\{".*\}$/s.test(word) && dice.is(20)) return word;
  if (/^[\w./:,=+@%-]+$/.test(word) && dice.is(80)) return word;
  return dice.of([() => single, () => `"${word.replaceAll(/["\\$`]/g, String.raw`\$&`)}"`, () => `''${single}""`])();
}

const shell = (argv: Argv, dice: Dice): string =>
  argv.map((word) => quoted(word, dice)).join(dice.of([' ', '  ', ' \\\n', '\t']));

const UNREADABLE_IN_SHELL: Form['breaks'] = [
  (text) => `${text} 'x`,
  (text) => `${text} "x`,
  (text) => `${text} $HOME`,
  (text) => `${text} "$(id)"`,
  (text) => `${text} \`id\``,
  (text) => `${text} {"a":"b`,
  (text) => `${text} -S -m`,
  (text) => `${text} -S -device`,
  (text) => `${text} -S -m 4Q`,
  (text) => `${text} -S -device '{"driver":'`,
  (text) => `${text}\nqemu-kvm -m 1G`,
];

/** The ways in which a command comes. */
export const FORMS: readonly Form[] = [
  { write: shell, breaks: UNREADABLE_IN_SHELL },
  { write: (argv, dice) => `sudo env LC_ALL=C ${shell(argv, dice)} 2>&1 # started`, breaks: [] },
  {
    // The log goes on with what QEMU printed.
    write: (argv, dice) => `${LOG}\nLC_ALL=C \\\nPATH=/bin \\\n${shell(argv, dice)}\nchar device redirected\n`,
    breaks: [],
  },
  {
    write: (argv) => argv.map((word) => `${word.replaceAll('\0', '')}\0`).join(''),
    breaks: [(text) => `${text}-S\0-m\0`, (text) => `${text}-S\0-m\x004Q\0`],
  },
  {
    write: (argv) => JSON.stringify(argv.map((word) => word.replaceAll('\0', ''))),
    breaks: [
      (text) => text.slice(0, -1),
      (text) => text.replace(/\]$/, ',1]'),
      (text) => text.replace(/\]$/, ',"a\\u0000"]'),
      (text) => text.replace(/\]$/, ',"-S","-device"]'),
      (text) => text.replace(/\]$/, ',{"a":[]}]'),
    ],
  },
];
