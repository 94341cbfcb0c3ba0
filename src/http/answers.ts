import { check } from '../descriptor/check.ts';
import type { Descriptor } from '../descriptor/schema.ts';
import { addressOf, questionOf } from '../evaluation/canonical.ts';
import type { Decision } from '../evaluation/decision.ts';
import { evaluate } from '../evaluation/evaluate.ts';
import { withRemedies } from '../evaluation/remedies.ts';
import { type DecisionFigures, figuresOf } from '../metrics/metrics.ts';
import type { Item } from './item.ts';
import { type Blanks, cutAtMarks, markedName, marksIn, type Nameless, withoutNames } from './names.ts';
import { invalidRequest } from './problems.ts';
import type { Validate } from './validation.ts';

/** The largest dirty bitmap that a decision predicts. */
interface LargestBitmap {
  readonly bytes: number;
  readonly backend: string;
  /** The transition that needs it, or "sync" for a pass over the dirty bitmaps. */
  readonly during: string;
}

/** What is answered of one VM, with blanks for the names in it. */
export interface Answer {
  readonly figures: DecisionFigures;
  readonly largestBitmap: LargestBitmap | null;
  /** Seconds that it took to reach. */
  readonly seconds: number;
  /** Whether QEMU's own reasons were given. */
  readonly hasReasons: boolean;
  /** The address of the decision is that of this text. */
  readonly question: Blanks<string>;
  /** The decision as JSON from behind its address on, and in short. */
  readonly whole: Blanks<Buffer>;
  readonly brief: Blanks<Buffer>;
}

/** An answer, and what is to be put into it. */
export interface Answered {
  readonly answer: Answer;
  readonly names: readonly string[];
  /** What the VM is called, by whoever sent it and by itself. */
  readonly called: Called;
  readonly isNew: boolean;
}

export interface Called {
  readonly ref: string | undefined;
  readonly name: string | undefined;
}

/** Which of the names in a text are those that only some may take. */
interface Places {
  readonly ref: number | null;
  readonly name: number | null;
  readonly hosts: readonly number[];
}

interface Kept extends Places {
  readonly answer: Answer;
}

/** By what an answer depends on beside the descriptor, and by the descriptor. */
type Generation = Map<string, Map<string, Kept>>;

/** Bytes of answers of a generation; two are kept. */
const GENERATION_MAX = 32 << 20;

/** Bytes that an answer takes beside its texts, about. */
const OVERHEAD = 2048;

/**
 * Answers by what was asked: VMs that differ in nothing but names are judged once, and the names put in for each. What was
 * not asked for while a generation filled up is forgotten.
 */
export class Answers {
  readonly #validate: Validate;
  #young: Generation = new Map();
  #old: Generation = new Map();
  /** Of the young, and the answers among them: one may have several keys. */
  #bytes = 0;
  #weighed = new Set<Answer>();

  /** `validate` judges the shape of a descriptor. */
  constructor(validate: Validate) {
    this.#validate = validate;
  }

  /** What is answered of the descriptor that `json` is, asked as `context` says, if that is known already. */
  known(json: string, context: string): Answered | null {
    const nameless = withoutNames(json);
    return nameless && this.#recall(context, nameless);
  }

  /**
   * What is answered of `item`, whose hosts are known.
   * @throws Problem naming every place in the item that is wrong.
   */
  of(item: Item, remedies: boolean): Answered {
    const valid = this.#validate(item.descriptor);
    const faults = valid === true ? check(item.descriptor as Descriptor) : valid.error.places;
    if (faults.length > 0) throw invalidRequest(faults.map(item.place));
    const nameless = withoutNames(JSON.stringify(item.descriptor));
    if (nameless === null) return unkept(item, remedies);
    const context = contextOf(item, remedies);
    const recalled = this.#recall(context, nameless);
    if (recalled) return recalled;
    const question = questionIn(nameless);
    if (question === null || !areFit(question, nameless.names)) return unkept(item, remedies);
    const { descriptor, ...places } = question;
    const kept = { ...places, answer: answerOf(descriptor, item, remedies, cutAtMarks) };
    this.#keep(context, nameless.text, kept);
    return { ...put(kept, nameless.names), isNew: true };
  }

  /** Keeps in mind that `json`, asked as `context` says, is answered as `item` is. */
  learn(json: string, context: string, item: Item, remedies: boolean): void {
    const [own, other] = [withoutNames(json), withoutNames(JSON.stringify(item.descriptor))];
    const kept = other && this.#young.get(contextOf(item, remedies))?.get(other.text);
    if (own && kept && own.names.join('"') === other.names.join('"')) this.#keep(context, own.text, kept);
  }

  #recall(context: string, { text, names }: Nameless): Answered | null {
    const young = this.#young.get(context)?.get(text);
    const kept = young ?? this.#old.get(context)?.get(text);
    if (!kept) return null;
    if (!young) this.#keep(context, text, kept);
    return areFit(kept, names) ? { ...put(kept, names), isNew: false } : null;
  }

  #keep(context: string, text: string, kept: Kept): void {
    if (this.#bytes > GENERATION_MAX) {
      this.#old = this.#young;
      this.#young = new Map();
      this.#bytes = 0;
      this.#weighed = new Set();
    }
    const alike = this.#young.get(context);
    if (alike) alike.set(text, kept);
    else this.#young.set(context, new Map([[text, kept]]));
    this.#bytes += text.length + (this.#weighed.has(kept.answer) ? 0 : weightOf(kept.answer));
    this.#weighed.add(kept.answer);
  }
}

const weightOf = ({ whole, brief, question }: Answer): number =>
  [...question.texts, ...whole.texts, ...brief.texts].reduce((sum, { length }) => sum + length, OVERHEAD);

/** Everything that an answer depends on beside the descriptor: what was seen and not read, and what the site says. */
const contextOf = ({ notes, site }: Item, remedies: boolean): string =>
  `${remedies ? 'with' : 'without'} remedies ${notes.length + site.size === 0 ? '' : JSON.stringify([notes, [...site]])}`;

/** PCI addresses and UUIDs: names of devices of which nothing is made but a part of a message. */
const HOST = /^(?:[\da-f]{4,8}:[\da-f]{2}:[\da-f]{2}\.[0-7]|[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12})$/i;

/** What is asked of all VMs that are called otherwise; `null` where more than names would have to be exchanged. */
function questionIn({ text }: Nameless): (Places & { readonly descriptor: Descriptor }) | null {
  const descriptor = JSON.parse(text) as Descriptor;
  const { ref, vm } = descriptor;
  // QEMU's own words hold names, too.
  if (vm.runtime?.blockedReasons && vm.runtime.blockedReasons.length > 0) return null;
  const called = [ref, vm.name, ...vm.vfio.map(({ host }) => host)].filter((each) => each !== undefined);
  const marks = called.map(markedName).filter((each) => each !== null);
  if (marks.length < called.length || marksIn(text) !== marks.length) return null;
  const hosts = vm.vfio.flatMap(({ host }) => markedName(host) ?? []);
  return { descriptor, ref: markedName(ref), name: markedName(vm.name), hosts };
}

/** Whether `names` are of the kind that can be exchanged. */
function areFit({ ref, name, hosts }: Places, names: readonly string[]): boolean {
  if ((nameAt(names, ref)?.length ?? 0) > NAME_MAX) return false;
  const own = nameAt(names, name);
  if (own !== undefined && (own === '' || own.length > NAME_MAX)) return false;
  for (let index = 0; index < hosts.length; index++) {
    const host = names[hosts[index] as number] as string;
    if (!HOST.test(host)) return false;
    // Devices that are called the same are another question.
    for (let other = 0; other < index; other++) if (names[hosts[other] as number] === host) return false;
  }
  return true;
}

const put = ({ answer, ref, name }: Kept, names: readonly string[]): Omit<Answered, 'isNew'> => ({
  answer,
  names,
  called: { ref: nameAt(names, ref), name: nameAt(names, name) },
});

const nameAt = (names: readonly string[], index: number | null): string | undefined =>
  index === null ? undefined : names[index];

/** The longest name that a descriptor may hold. */
const NAME_MAX = 256;

function unkept(item: Item, remedies: boolean): Answered {
  const descriptor = item.descriptor as Descriptor;
  const called = { ref: descriptor.ref, name: descriptor.vm.name };
  return { answer: answerOf(descriptor, item, remedies, asOne), names: [], called, isNew: true };
}

/** `text` without blanks, whatever is in it. */
const asOne: typeof cutAtMarks = (text, as) => ({ texts: [as(text)], names: [] });

function answerOf(descriptor: Descriptor, { notes, site }: Item, remedies: boolean, cut: typeof cutAtMarks): Answer {
  const begun = performance.now();
  const judged = evaluate(descriptor, { notChecked: notes, site, decides: remedies });
  const seconds = (performance.now() - begun) / 1000;
  const decision = remedies ? withRemedies(descriptor, judged) : judged;
  const { ref: _ref, decisionId: _id, ...whole } = decision;
  const { verdict, because, possible, summary } = decision;
  return {
    figures: figuresOf(decision),
    largestBitmap: largestBitmapOf(decision),
    seconds,
    hasReasons: descriptor.vm.runtime?.blockedReasons !== undefined,
    question: cut(questionOf(descriptor, null), (text) => text),
    whole: cut(JSON.stringify(whole).slice(1), (text) => Buffer.from(text)),
    brief: cut(JSON.stringify({ verdict, because, possible, summary }).slice(1), (text) => Buffer.from(text)),
  };
}

/** The address of the decision that an answer is with its names. */
export function decisionIdOf({ answer: { question }, names }: Answered): string {
  const { texts, names: blanks } = question;
  let text = texts[0] as string;
  for (let index = 0; index < blanks.length; index++) text += `${names[blanks[index] as number]}${texts[index + 1]}`;
  return addressOf(text);
}

function largestBitmapOf({ containers }: Decision): LargestBitmap | null {
  const bitmaps = containers.flatMap(({ backend, transitions, sync }) => [
    ...transitions.map(({ from, to, largestBitmapBytes }) => ({
      bytes: largestBitmapBytes,
      backend,
      during: `${from}-to-${to}`,
    })),
    ...(sync ? [{ bytes: sync.largestBitmapBytes, backend, during: 'sync' }] : []),
  ]);
  const [first, ...others] = bitmaps.filter(({ bytes }) => bytes > 0);
  return others.reduce<LargestBitmap | undefined>((a, b) => (a && a.bytes >= b.bytes ? a : b), first) ?? null;
}
