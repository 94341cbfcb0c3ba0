import { ImportError, type ImportFault } from './import-error.ts';
import { type Argument, nameOfPlace } from './qemu-command.ts';

/** Faults, and things not read, that are told of one command line. */
const REMARKS_MAX = 100;

/** Where the readers of a command line leave what a descriptor has no place for. */
export class Remarks {
  readonly #faults = new Map<string, ImportFault>();
  readonly #unread = new Set<string>();
  readonly #notes = new Set<string>();
  readonly #origins = new Map<string, string>();
  readonly #document: string;

  /** `document` names what is read. */
  constructor(document = 'The command line') {
    this.#document = document;
  }

  /** What each field came from, by JSON Pointer. */
  get origins(): Readonly<Record<string, string>> {
    return Object.fromEntries(this.#origins);
  }

  /** Records that the import fails, for what `at` says. */
  fault(at: Argument, detail: string): undefined {
    return this.faultAt(at, `${nameOfPlace(at)}: ${detail}`);
  }

  /** Records that the import fails, for what stands at a place. */
  faultAt({ line, column }: Omit<ImportFault, 'detail'>, detail: string): undefined {
    if (this.#faults.size >= REMARKS_MAX) return;
    const place = line === undefined || column === undefined ? {} : { line, column };
    this.#faults.set(`${line} ${column} ${detail}`, { ...place, detail });
  }

  /** Records that the field at `pointer` is what `at` says, or QEMU's default. */
  origin(pointer: string, at: Argument | undefined): void {
    const line = at?.element === undefined ? '' : `line ${at.line}: `;
    this.#origins.set(pointer, at ? `${line}${nameOfPlace(at)}` : 'QEMU’s default');
  }

  /** Records that `what` is not read although it may matter. */
  unread(what: string): void {
    if (this.#unread.size < REMARKS_MAX) this.#unread.add(what.slice(0, 100));
  }

  /** Records a sentence on how the command line was read. */
  note(sentence: string): void {
    if (this.#notes.size < REMARKS_MAX) this.#notes.add(sentence);
  }

  /** The sentences; throws an {@link ImportError} where there are faults. */
  close(): readonly string[] {
    if (this.#faults.size > 0) throw new ImportError([...this.#faults.values()]);
    const unread = [...this.#unread].toSorted();
    return [
      ...this.#notes,
      ...(unread.length > 0 ? [`${this.#document} holds what is not read: ${unread.join(', ')}.`] : []),
    ];
  }
}

/** A user's text as a fault quotes it. */
export const quoted = (text: string): string => JSON.stringify(text.length > 64 ? `${text.slice(0, 64)}…` : text);
