import type { HostDescriptor } from '../descriptor/schema.ts';
import { given } from './imported.ts';
import { refuse } from './import-error.ts';
import { shellCommands, type ShellWord } from './shell-words.ts';

/** An argument of QEMU: its place in argv, and in shell text where it begins. */
export interface Argument {
  readonly index: number;
  readonly text: string;
  readonly line?: number;
  readonly column?: number;
  /** The option that it belongs to, such as "-m". */
  readonly option?: string;
  /** The element that libvirt makes the argument of, where a domain was read and no command line. */
  readonly element?: string;
}

/** Where `at` is, as faults and origins tell it. */
export const nameOfPlace = ({ index, option, element }: Argument): string =>
  element === undefined ? `argv[${index}]${option === undefined ? '' : ` of ${option}`}` : `<${element}>`;

/** A command that starts QEMU. */
export interface QemuCommand {
  /** What it is called by, without its directory; `undefined` where only its options are given. */
  readonly program: string | undefined;
  readonly args: readonly Argument[];
  /** What libvirt's log says of the host before it. */
  readonly host: Pick<HostDescriptor, 'qemu' | 'kernel' | 'libvirt'>;
}

/** The names under which distributions install QEMU, and wrappers keep it. */
const PROGRAM = /^\.?(?:qemu-system-\w[\w.+-]*|qemu-kvm|kvm(?:-spice)?)$/;

const programOf = (word: string | undefined): string | undefined => {
  const name = word?.slice(word.lastIndexOf('/') + 1);
  return name !== undefined && PROGRAM.test(name) ? name : undefined;
};

/** The first line of what libvirt logs when it starts a VM. */
const LOG_HEADER = /^\d{4}-\d\d-\d\d .*: starting up libvirt version: .*$/gm;

/**
 * The command in `text`: NUL-separated, as in /proc/PID/cmdline; a JSON array of strings; or shell text, which may be a
 * libvirt log, whose last start counts. Words before QEMU's name, such as environment variables, do not matter. Throws an
 * ImportError where there is no such command, or more than one.
 */
export function readCommand(text: string): QemuCommand {
  if (text.includes('\0')) return commandOf(text.replace(/\0$/, '').split('\0').map(argument));
  if (text.trimStart().startsWith('[')) return commandOf(jsonArguments(text));
  const start = [...text.matchAll(LOG_HEADER)].at(-1);
  return start ? loggedCommand(text, start[0], start.index) : shellCommand(text);
}

const argument = (text: string, index: number): Argument => ({ index, text });

function jsonArguments(text: string): Argument[] {
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch (error) {
    return refuse({}, `not a JSON array: ${(error as Error).message.slice(0, 200)}`);
  }
  if (!Array.isArray(list)) return refuse({}, 'not a JSON array');
  return list.map((each: unknown, index) =>
    typeof each === 'string' && !each.includes('\0')
      ? argument(each, index)
      : refuse({}, `argv[${index}] is no string that could be an argument`),
  );
}

function shellCommand(text: string): QemuCommand {
  const [first, second] = [...shellCommands(text)].filter((words) => startOf(words) >= 0);
  const [start] = second ?? [];
  if (start) refuse({ line: start.line, column: start.column }, 'a second QEMU command; send one VM at a time');
  return commandOf(numbered(first ?? []));
}

/** After the command a log goes on with what QEMU printed, which is not read. */
function loggedCommand(text: string, header: string, at: number): QemuCommand {
  const before = text.slice(0, at).split('\n').length - 1;
  const [words = []] = shellCommands(text.slice(at + header.length));
  const moved = words.map((word) => ({ ...word, line: word.line + before }));
  return { ...commandOf(numbered(moved)), host: hostOf(header) };
}

/** "…: starting up libvirt version: 10.0.0, package: …, qemu version: 8.2.2…, kernel: 6.8.0-31-generic, hostname: …" */
function hostOf(header: string): QemuCommand['host'] {
  const after = (label: string): string | undefined =>
    header
      .split(`${label}: `)[1]
      ?.split(/, (?:package|qemu version|kernel|hostname): /, 1)[0]
      ?.slice(0, 128);
  const [libvirt, qemu, kernel] = [after('libvirt version'), after(', qemu version'), after(', kernel')];
  const versioned = (version: string | undefined): string | undefined =>
    version !== undefined && /\d\.\d/.test(version) ? version : undefined;
  return given({ qemu: versioned(qemu), kernel: versioned(kernel), libvirt: versioned(libvirt) });
}

/** Where QEMU's name stands in `words`, or its options where they come without it; -1 where there is neither. */
const startOf = (words: readonly { readonly text: string }[]): number =>
  words[0]?.text.startsWith('-') === true ? 0 : words.findIndex(({ text }) => programOf(text) !== undefined);

/** Words from QEMU's name on, which is argv[0]. */
const numbered = (words: readonly ShellWord[]): Argument[] =>
  words.slice(Math.max(0, startOf(words))).map((word, index) => ({ ...word, index }));

function commandOf(words: readonly Argument[]): QemuCommand {
  const start = startOf(words);
  if (start < 0) refuse({}, 'no QEMU command: no word is called qemu-system-…, qemu-kvm or kvm');
  const program = programOf(words[start]?.text);
  return { program, args: words.slice(program === undefined ? start : start + 1), host: {} };
}

/** Words that may stand before QEMU's name: what tells shell text is looked for in no more of them. */
const LEADING_WORDS_MAX = 64;

/** Whether `text` looks like what {@link readCommand} reads, and like nothing else. */
export function looksLikeQemuCommand(text: string): boolean {
  if (text.includes('\0') || /^\s*\[\s*"/.test(text)) return true;
  const words = text
    .slice(0, 1 << 14)
    .trimStart()
    .split(/\s+/, LEADING_WORDS_MAX);
  const first = words.find((word) => word !== '\\' && !/^\w+=/.test(word) && !WRAPPERS.has(word));
  const name = first?.replace(/^(["'])(.*)\1$/, '$2');
  return programOf(name) !== undefined || /^\d{4}-\d\d-\d\d .*: starting up libvirt version: /.test(text);
}

/** Commands that run the one after them. */
const WRAPPERS: ReadonlySet<string> = new Set(['sudo', 'exec', 'env', 'nohup']);
