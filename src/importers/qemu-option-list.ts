import type { Argument, QemuCommand } from './qemu-command.ts';
import type { Remarks } from './qemu-remarks.ts';

/** An option of a command line, in its order: "-machine" is `machine`. */
export interface QemuOption {
  readonly name: string;
  /** Its argument, or the option itself where it takes none. */
  readonly at: Argument;
}

/** The name under which an argument that is no option is listed: an image of the first disk. */
export const IMAGE = '';

const words = (text: string): ReadonlySet<string> => new Set(text.trim().split(/\s+/));

/** Options without an argument (qemu-options.hx, 7.2 to 11.1). */
const SWITCHES = words(`
  S alt-grab async-teardown audio-help ctrl-grab curses daemonize enable-fips enable-kvm enable-sync-profile full-screen
  h help jitdump mem-prealloc no-acpi no-fd-bootchk no-frame no-hpet no-quit no-reboot no-shutdown no-user-config
  nodefaults nographic nouserconfig old-param one-insn-per-tb only-migratable perfmap portrait preconfig s sdl
  semihosting singlestep snapshot usb version win2k-hack xen-attach xen-domid-restrict
`);

/** Options that say something of the VM, and are read. */
const READ = words(`
  M accel audio blockdev cdrom chardev cpu device drive fda fdb fsdev global hda hdb hdc hdd incoming m machine
  mtdblock name net netdev nic numa object pflash sd set tpmdev vga virtfs watchdog
`);

/** Options whose argument says nothing about migration. */
const IRRELEVANT = words(`
  D L acpitable action add-fd append audiodev bios boot chroot compat d debugcon dfilter display dtb dump-vmstate echr
  fw_cfg g gdb icount initrd iscsi k kernel mem-path mon monitor msg option-rom overcommit parallel pidfile prom-env qmp
  qmp-pretty qtest qtest-log realtime rotate rtc run-with runas sandbox seed semihosting-config serial shim smbios smp
  spice tb-size trace uuid vnc watchdog-action
`);

/** Options that bring what only QEMU can look up, or what is not modelled. */
const UNREAD = words('loadvm plugin readconfig soundhw usbdevice xen-domid');

/** The options of `command`. One that QEMU does not have is taken to have an argument where one follows. */
export function optionsOf({ args }: QemuCommand, remarks: Remarks): QemuOption[] {
  const options: QemuOption[] = [];
  for (let index = 0; index < args.length; index++) {
    const at = args[index] as Argument;
    if (!at.text.startsWith('-')) {
      options.push({ name: IMAGE, at });
      continue;
    }
    const name = at.text.replace(/^--?/, '');
    const isKnown = READ.has(name) || IRRELEVANT.has(name) || UNREAD.has(name);
    const value = args[index + 1];
    if (SWITCHES.has(name)) {
      options.push({ name, at });
    } else if (value === undefined && isKnown) {
      remarks.fault(at, `-${name} lacks its argument`);
    } else if (isKnown || value?.text.startsWith('-') === false) {
      index++;
      if (READ.has(name) && value) options.push({ name, at: { ...value, option: `-${name}` } });
      else if (!IRRELEVANT.has(name)) remarks.unread(`-${name} ${value?.text}`);
    } else {
      remarks.unread(`-${name}`);
    }
  }
  return options;
}
