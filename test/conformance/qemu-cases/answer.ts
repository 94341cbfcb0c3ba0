import type { Descriptor } from '../../../src/descriptor/schema.ts';

/** What a running QEMU said, in the words of our answer; lists in QEMU's order. */
export interface Answer {
  readonly id: string;
  readonly qemu: string;
  /** Arguments, QEMU's own name first. */
  readonly argv: readonly string[];
  readonly migration?: Descriptor['migration'];
  readonly started: boolean;
  /** What it ended for, if it did not start. */
  readonly errors: readonly string[];
  /** What it warned of VFIO devices. */
  readonly warnings: readonly string[];
  readonly queryMigrate: readonly string[];
  /** What `migrate`, or the migration that it began, failed with; absent where none was tried. */
  readonly migrate?: readonly string[];
  /** What it printed. */
  readonly stderr: readonly string[];
}

/** What all cases have in the files. */
export interface Row {
  id: string;
  qemu: string;
  stderr: string[];
}

/** QEMU's reply over QMP. */
export interface Reply {
  error?: { desc: string };
}

/** `query-migrate`. */
export interface Status {
  'blocked-reasons'?: string[];
  status?: string;
  'error-desc'?: string;
}

/** Of the file's name for a QEMU: its version, and the arguments it was started with in front of those of the case. */
export function startedAs(qemu: string, args: readonly string[]): Pick<Answer, 'qemu' | 'argv'> {
  const isArm = qemu.endsWith('-arm');
  const program = isArm ? 'qemu-system-aarch64' : 'qemu-system-x86_64';
  return { qemu: qemu.replace('-arm', ''), argv: [program, '-nodefaults', '-display', 'none', '-S', ...args] };
}

/** A warning of the kind that is compared. */
export const isVfioWarning = (line: string): boolean => /^warning: .*: VFIO device doesn't support /.test(line);

/** Splits what QEMU printed, without its name and the option that it speaks of, into errors and VFIO's warnings. */
export function readStderr(stderr: readonly string[], argv: readonly string[]): Pick<Answer, 'errors' | 'warnings'> {
  const lines = stderr.map((line) => {
    const said = line.replace(/^qemu-system-\w+: /, '');
    const option = argv.map((arg, index) => `${argv[index - 1]} ${arg}: `).find((start) => said.startsWith(start));
    return said.slice(option?.length ?? 0);
  });
  return { errors: lines.filter((line) => !line.startsWith('warning: ')), warnings: lines.filter(isVfioWarning) };
}

/** What a migration failed with: the reply to the command, or its status afterwards. */
export function failureOf(reply: string | undefined, status: Status | undefined): string[] {
  const described = status?.status === 'failed' ? status['error-desc'] : undefined;
  return [reply, described].filter((each) => each !== undefined);
}
