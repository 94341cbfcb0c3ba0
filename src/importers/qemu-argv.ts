import type { Descriptor } from '../descriptor/schema.ts';
import { given, type Imported } from './imported.ts';
import { type Argument, readCommand } from './qemu-command.ts';
import { type CommandLine, readCommandLine } from './qemu-command-line.ts';
import { cpuOf } from './qemu-cpu.ts';
import { devicesIn } from './qemu-devices.ts';
import { disksOf } from './qemu-disks.ts';
import { accelOf, machineOf, memoryOf } from './qemu-machine.ts';
import { merged, nameOf, parseOptions } from './qemu-options.ts';
import { Remarks } from './qemu-remarks.ts';

/**
 * What a QEMU command line says: what /proc/PID/cmdline holds, what a shell is given, a JSON array of arguments, or what
 * libvirt logs. Throws an ImportError with the faults found, and never anything else. Options, devices and their defaults
 * are those of QEMU 7.2 to 11.1.
 */
export function importQemuArgv(text: string): Imported {
  const remarks = new Remarks();
  const command = readCommand(text);
  const descriptor: Descriptor = { vm: vmOf(readCommandLine(command, remarks)), source: command.host };
  const notes = remarks.close();
  const host = Object.keys(command.host).length > 0 ? { '/source': 'the libvirt log' } : {};
  return { descriptor, notes, origins: { '/vm': 'the QEMU command line', ...remarks.origins, ...host } };
}

/** The VM that QEMU makes of a command line. */
export function vmOf(line: CommandLine): Descriptor['vm'] {
  const { all, remarks } = line;
  const [machine, accel] = [machineOf(line), accelOf(line)];
  const name = merged(all('name').map((at) => parseOptions(at, 'guest', remarks)));
  if (all('incoming').length > 0) {
    remarks.note('-incoming: this QEMU waits for a migration to come; it is judged as the source of one.');
  }
  const vm = given({
    name: nameOf(name, 'guest', remarks) || undefined,
    ...machine,
    accel,
    onlyMigratable: all('only-migratable').length > 0 ? true : undefined,
    ...memoryOf(line, machine.confidential),
    cpu: cpuOf(line, accel),
    ...devicesIn(line),
    disks: disksOf(line),
  });
  noteOrigins(vm, line);
  return vm;
}

/** Where what is not a device came from: the last option that says it, or QEMU where none does. */
function noteOrigins(vm: Descriptor['vm'], { all, machine, remarks }: CommandLine): void {
  const ofMachine = (key: string): Argument[] => (machine?.values.has(key) ? [machine.at] : []);
  const options = {
    name: all('name'),
    machine: all('machine', 'M'),
    accel: [...ofMachine('accel'), ...all('accel', 'enable-kvm')],
    onlyMigratable: all('only-migratable'),
    memory: [...ofMachine('memory-backend'), ...all('m')],
    cpu: all('cpu'),
  };
  for (const field of Object.keys(options) as (keyof typeof options)[]) {
    if (vm[field] !== undefined) remarks.origin(`/vm/${field}`, options[field].at(-1));
  }
}
