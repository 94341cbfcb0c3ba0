import { recordOf } from '../decision-log/logged-decision.ts';
import { type LargestBitmap, largestBitmapOf } from '../decision-log/outcome.ts';
import { check } from '../descriptor/check.ts';
import { lazy } from '../descriptor/lazy.ts';
import { type Descriptor, NAME_MAX } from '../descriptor/schema.ts';
import { addressOf, questionOf } from '../evaluation/canonical.ts';
import { evaluate } from '../evaluation/evaluate.ts';
import { withRemedies } from '../evaluation/remedies.ts';
import { type DecisionFigures, figuresOf } from '../metrics/metrics.ts';
import type { HostQuery } from './host-facts.ts';
import { type Item, NO_SITE } from './item.ts';
import { type Blanks, cutAtMarks, markedName, marksIn, type Nameless, withoutNames } from './names.ts';
import type { Site } from './policies.ts';
import { invalidRequest } from './problems.ts';
import { Sheet } from './sheet.ts';
import { Sights } from './sights.ts';
import type { Validate } from './validation.ts';

/** What is answered of one VM, with blanks for the names in it. */
export interface Answer {
  readonly figures: DecisionFigures;
  readonly largestBitmap: LargestBitmap | null;
  /** Seconds that it took to reach. */
  readonly seconds: number;
  /** Whether QEMU's own reasons were given. */
  readonly hasReasons: boolean;
  /** The address of the decision, or else the text that it is the address of. */
  readonly address: string | Blanks<string>;
  /** The decision as JSON from behind its address on, and in short. */
  readonly whole: Blanks<Buffer>;
  readonly brief: () => Blanks<Buffer>;
  /** What the decision log holds of it; `null` if there is none. */
  readonly record: Blanks<string> | null;
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

/** What is asked of a VM beside its verdict. */
export interface Wish {
  readonly remedies: boolean;
  /** What each value of a missing fact decides. */
  readonly decides: boolean;
  /** The rules that do not fire, too. */
  readonly includeClear: boolean;
}

/** What an answer depends on beside what was sent. */
export const contextFor = (wish: Wish, { qemu, kernel, libvirt, source, destination }: HostQuery, site: Site): string =>
  JSON.stringify([wish, qemu, kernel, libvirt, source, destination, site.policy?.revision]);

/** A text, but for the names in it, and what it is asked in. */
export interface Wording {
  /** `null` where they cannot be taken out. */
  readonly nameless: Nameless | null;
  readonly context: string;
}

/** `json`, asked as {@link contextFor} says. */
export const worded = (json: string, context: string): Wording => ({ nameless: withoutNames(json), context });

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
 * Answers by what was asked: of VMs that differ in nothing but names two are judged, and the names put in for the others.
 * What is asked for once is not kept; what was not asked for while a generation filled up is forgotten.
 */
export class Answers {
  readonly #validate: Validate;
  readonly #isLogged: boolean;
  #young: Generation = new Map();
  #old: Generation = new Map();
  /** Of the young, and the answers among them: one may have several keys. */
  #bytes = 0;
  #weighed = new Set<Answer>();
  readonly #sights = new Sights();

  /** `validate` judges the shape of a descriptor; `isLogged` says whether there is a decision log. */
  constructor(validate: Validate, isLogged = false) {
    this.#validate = validate;
    this.#isLogged = isLogged;
  }

  /** What is answered of what was `sent`, if that is known already. */
  known({ nameless, context }: Wording): Answered | null {
    return nameless && this.#recall(context, nameless);
  }

  /**
   * What is answered of `item`, whose hosts are known, and which was `sent` so: that is known, too, if it comes again as it is.
   * @throws Problem naming every place in the descriptor that is wrong.
   */
  of(item: Item, wish: Wish, sent: Wording | null = null): Answered {
    const valid = this.#validate(item.descriptor);
    const faults = valid === true ? check(item.descriptor as Descriptor) : valid.error.places;
    if (faults.length > 0) throw invalidRequest(faults);
    const verbatim = item.isVerbatim ? sent : null;
    const own = (): Wording => worded(JSON.stringify(item.descriptor), contextOf(item, wish));
    const first = verbatim ?? own();
    if (first.nameless === null || !this.#sights.again(first.context, first.nameless.text)) {
      return unkept(item, wish, this.#isLogged);
    }
    const { nameless, context } = verbatim ? own() : first;
    const answered =
      (nameless && (this.#recall(context, nameless) ?? this.#judge(item, wish, context, nameless))) ??
      unkept(item, wish, this.#isLogged);
    if (verbatim && nameless) this.#learn(verbatim, context, nameless);
    return answered;
  }

  /** Judges `item` for all that are called otherwise, if that can be. */
  #judge(item: Item, wish: Wish, context: string, nameless: Nameless): Answered | null {
    const question = questionIn(nameless);
    if (question === null || !areFit(question, nameless.names)) return null;
    const { descriptor, ...places } = question;
    const kept = { ...places, answer: answerOf(descriptor, item, wish, cutAtMarks, this.#isLogged) };
    this.#keep(context, nameless.text, kept);
    return { ...put(kept, nameless.names), isNew: true };
  }

  /** Keeps in mind that what was `sent` is answered as `nameless` is in `context`. */
  #learn(sent: Wording, context: string, nameless: Nameless): void {
    const kept = this.#young.get(context)?.get(nameless.text);
    const own = sent.nameless;
    if (kept && own && (own.text === nameless.text || hasNamesAt(kept, own))) this.#keep(sent.context, own.text, kept);
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

const weightOf = ({ whole, address, record }: Answer): number =>
  [...(typeof address === 'string' ? [] : address.texts), ...whole.texts, ...(record?.texts ?? [])].reduce(
    (sum, { length }) => sum + length,
    OVERHEAD,
  );

/** Everything that an answer depends on beside the descriptor: what was seen and not read, and what the site says. */
const contextOf = ({ notes, site, defaults = NO_SITE, policy }: Item, wish: Wish): string =>
  `${policy?.revision ?? ''} ${JSON.stringify(wish)} ${notes.length + site.size === 0 ? '' : JSON.stringify([notes, [...site], [...defaults]])}`;

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

/** Whether the names in a text stand where they are looked for: of members that JSON holds twice the last counts. */
function hasNamesAt({ ref, name, hosts }: Places, nameless: Nameless): boolean {
  if (nameless.text.startsWith('\uFEFF')) return false;
  const own = questionIn(nameless);
  return own !== null && own.ref === ref && own.name === name && own.hosts.join() === hosts.join();
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

function unkept(item: Item, wish: Wish, isLogged: boolean): Answered {
  const descriptor = item.descriptor as Descriptor;
  const called = { ref: descriptor.ref, name: descriptor.vm.name };
  return { answer: answerOf(descriptor, item, wish, null, isLogged), names: [], called, isNew: true };
}

/** `text` without blanks, whatever is in it. */
const asOne: typeof cutAtMarks = (text, as) => ({ texts: [as(text)], names: [] });

/** `nameless` cuts what is answered where names belong; `null` where `descriptor` has its own. */
function answerOf(
  descriptor: Descriptor,
  item: Item,
  { remedies, decides, includeClear }: Wish,
  nameless: typeof cutAtMarks | null,
  isLogged: boolean,
): Answer {
  const policy = item.policy ?? null;
  const { notes, site, defaults } = item;
  const begun = performance.now();
  const judged = evaluate(descriptor, { includeClear, notChecked: notes, site, decides, policy });
  const seconds = (performance.now() - begun) / 1000;
  const decision = remedies ? withRemedies(descriptor, judged, policy) : judged;
  const cut = nameless ?? asOne;
  const { ref: _ref, decisionId, ...whole } = decision;
  const { verdict, because, possible, summary } = decision;
  return {
    figures: figuresOf(decision),
    largestBitmap: largestBitmapOf(decision),
    seconds,
    hasReasons: descriptor.vm.runtime?.blockedReasons !== undefined,
    address: nameless?.(questionOf(descriptor, policy), (text) => text) ?? decisionId,
    whole: cut(JSON.stringify(whole).slice(1), (text) => Buffer.from(text)),
    brief: lazy(() =>
      cut(JSON.stringify({ verdict, because, possible, summary }).slice(1), (text) => Buffer.from(text)),
    ),
    record: isLogged
      ? cut(recordOf(decision, descriptor, { notChecked: notes, site, defaults }), (text) => text)
      : null,
  };
}

/** The decision that `answered` is, as JSON. */
export function decisionJson({ answer: { whole }, names, called: { ref } }: Answered, decisionId: string): string {
  const sheet = new Sheet(whole.texts.reduce((sum, { length }) => sum + length, ROOM));
  sheet.write(`${ref === undefined ? '{' : `{"ref":${JSON.stringify(ref)},`}"decisionId":"${decisionId}",`);
  fill(sheet, whole, names);
  // Text: Node puts it behind the headers and sends both at once.
  return sheet.toString();
}

/** Bytes of room for names. */
const ROOM = 4096;

/** Writes bytes with `names` in their blanks. */
export function fill(sheet: Sheet, { texts, names: blanks }: Blanks<Buffer>, names: readonly string[]): void {
  sheet.copy(texts[0] as Buffer);
  for (let index = 0; index < blanks.length; index++) {
    sheet.write(names[blanks[index] as number] as string);
    sheet.copy(texts[index + 1] as Buffer);
  }
}

/** The address of the decision that an answer is with its names. */
export const decisionIdOf = ({ answer: { address }, names }: Answered): string =>
  typeof address === 'string' ? address : addressOf(filled(address, names));

/** The text with `names` in its blanks. */
export function filled({ texts, names: blanks }: Blanks<string>, names: readonly string[]): string {
  let text = texts[0] as string;
  for (let index = 0; index < blanks.length; index++) text += `${names[blanks[index] as number]}${texts[index + 1]}`;
  return text;
}
