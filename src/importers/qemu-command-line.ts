import type { Argument, QemuCommand } from './qemu-command.ts';
import { optionsOf, type QemuOption } from './qemu-option-list.ts';
import { merged, nameOf, type Options, parseOptions } from './qemu-options.ts';
import type { Remarks } from './qemu-remarks.ts';

/** Where QEMU's PCI devices sit; `none` for a machine without PCI, `unknown` for one that is not told. */
export type Board = 'q35' | 'i440fx' | 'virt' | 'none' | 'unknown';

/** The options of a command line by name, and what they define for each other. */
export interface CommandLine {
  readonly program: string | undefined;
  readonly remarks: Remarks;
  /** The options called one of `names`, in their order. */
  readonly options: (...names: readonly string[]) => readonly QemuOption[];
  /** Their arguments. */
  readonly all: (...names: readonly string[]) => readonly Argument[];
  /** What the machine's options come to. */
  readonly machine: Options | undefined;
  readonly machineType: string | undefined;
  readonly board: Board;
  /** Whether QEMU is left to find places for PCI devices that name none; libvirt finds them as it defines a domain. */
  readonly isPlaced: boolean;
  /** What `-object` and the backends of devices define, by id. */
  readonly objects: ReadonlyMap<string, Options>;
  readonly backends: ReadonlyMap<string, Options>;
}

/** Sorts what `command` says. */
export function readCommandLine(command: QemuCommand, remarks: Remarks): CommandLine {
  const { program } = command;
  const listed = optionsOf(command, remarks);
  const options = (...names: readonly string[]): QemuOption[] => listed.filter(({ name }) => names.includes(name));
  const all = (...names: readonly string[]): Argument[] => options(...names).map(({ at }) => at);
  const machine = merged(all('machine', 'M').map((at) => dashed(parseOptions(at, 'type', remarks))));
  const machineType = nameOf(machine, 'type', remarks) ?? defaultMachine(program);
  return {
    program,
    remarks,
    options,
    all,
    machine,
    machineType,
    board: boardOf(machineType),
    isPlaced: true,
    objects: byId(
      all('object').map((at) => parseOptions(at, 'qom-type', remarks)),
      remarks,
    ),
    backends: byId(
      BACKENDS.flatMap(([name, implied]) => all(name).map((at) => parseOptions(at, implied, remarks))),
      remarks,
    ),
  };
}

/** Options that define what a device names, and the key of a first value without one. */
const BACKENDS = [
  ['netdev', 'type'],
  ['chardev', 'backend'],
  ['fsdev', 'fsdriver'],
  ['tpmdev', 'type'],
] as const;

/** QEMU takes `_` for `-` in the properties of a machine. */
const dashed = ({ at, values }: Options): Options => ({
  at,
  values: new Map([...values].map(([key, value]) => [key.replaceAll('_', '-'), value])),
});

/** Kinds of backends have ids of their own; those of objects and of each kind do not meet in practice. */
const byId = (list: readonly Options[], remarks: Remarks): Map<string, Options> =>
  new Map(
    list.flatMap((options) => {
      const id = nameOf(options, 'id', remarks);
      return id === undefined ? [] : [[id, options] as const];
    }),
  );

/** Only the x86 targets have a machine without being told one. */
const defaultMachine = (program = ''): string | undefined =>
  /qemu-system-(?:x86_64|i386)/.test(program) ? 'pc' : undefined;

function boardOf(machine: string | undefined): Board {
  if (machine === undefined) return 'unknown';
  if (/q35/.test(machine)) return 'q35';
  if (/^pc$|i440fx/.test(machine)) return 'i440fx';
  if (/^virt(?:-|$)/.test(machine)) return 'virt';
  return /^(?:microvm|isapc|none)/.test(machine) ? 'none' : 'unknown';
}
