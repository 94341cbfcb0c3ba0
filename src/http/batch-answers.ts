import type { Asked, DecisionLog } from '../decision-log/decision-log.ts';
import { NAME_MAX } from '../descriptor/schema.ts';
import type { Metrics } from '../metrics/metrics.ts';
import {
  type Answer,
  type Answered,
  type Answers,
  type Called,
  worded,
  contextFor,
  decisionIdOf,
  fill,
  filled,
  type Wish,
} from './answers.ts';
import type { BatchTotals } from './batch-schema.ts';
import { type HostQuery, withHosts } from './host-facts.ts';
import type { HostProfiles } from './host-profiles.ts';
import { inItem, type Item } from './item.ts';
import { isObject } from '../descriptor/json-object.ts';
import { internalError, Problem } from './problems.ts';
import { Sheet } from './sheet.ts';
import type { Site } from './policies.ts';
import { profilesUnder, underSite } from './site-defaults.ts';
import type { Answering } from './streaming.ts';

/** An item of a batch, and where it stands. */
export interface Sent {
  readonly place: { readonly line: number } | { readonly index: number };
  /** The item as JSON, if it is that. */
  readonly json: string | null;
  /** The VMs in it. Throws a {@link Problem}. */
  readonly read: () => readonly Item[];
  /** What the item is called by whoever sent it, if that can be told. */
  readonly ref: () => string | undefined;
}

/** What is asked of every item. */
export interface BatchQuery extends HostQuery {
  /** Verdicts that are listed; all if not given. */
  readonly only: ReadonlySet<string> | null;
  readonly summary: boolean;
  readonly remedies: boolean;
}

/** What stands around the answers. */
export interface Frame {
  readonly open: string;
  /** Before each answer but the first, and behind each. */
  readonly before: string;
  readonly after: string;
  /** What the totals, an object, are written as. */
  readonly close: (totals: string) => string;
}

/** One JSON object a line. */
export const lineFrame: Frame = { open: '', before: '', after: '\n', close: (totals) => `${totals}\n` };

/** One JSON object. */
export const arrayFrame: Frame = {
  open: '{"items":[',
  before: ',',
  after: '',
  close: (totals) => `],${totals.slice(1)}`,
};

/** Where answers come from, and who is told of them. */
export interface Judges {
  readonly answers: Answers;
  readonly profiles: HostProfiles;
  /** What the site says: the same of every item. */
  readonly site: Site;
  readonly decisionLog: DecisionLog | null;
  readonly metrics: Pick<Metrics, 'observeEvaluation' | 'observeFigures' | 'observeAgreement' | 'observeBatch'>;
  /** Told of errors that are the service's own. */
  readonly failed: (error: unknown) => void;
}

/** Milliseconds between reports to the metrics: counting many alike at once costs less than one by one. */
const REPORT_MS = 1000;

/** Answers that wait for a report at most. */
const REPORT_ANSWERS = 256;

/** Answers the items of one batch, and counts them. */
export class BatchAnswers implements Answering<Sent> {
  readonly #judges: Judges;
  readonly #query: BatchQuery;
  readonly #frame: Frame;
  readonly #asked: Asked;
  readonly #profiles: HostProfiles;
  readonly #wish: Wish;
  /** What the answer to an item depends on beside the item. */
  readonly #context: string;
  readonly #sheet = new Sheet();
  #isFirst = true;
  /** Decisions since the last report, and the address of one of each. */
  readonly #unreported = new Map<Answer, { times: number; readonly decisionId: string }>();
  #reported = performance.now();
  readonly #verdicts = { allowed: 0, risky: 0, blocked: 0, unsafe: 0, unknown: 0 };
  readonly #rules = new Map<string, Map<string, number>>();
  readonly #totals = { items: 0, decisions: 0, errors: 0, largestBitmap: null as BatchTotals['largestBitmap'] };

  constructor(judges: Judges, query: BatchQuery, frame: Frame, asked: Asked) {
    this.#judges = judges;
    this.#query = query;
    this.#frame = frame;
    this.#asked = asked;
    this.#profiles = profilesUnder(judges.site, judges.profiles);
    this.#wish = { remedies: query.remedies, decides: query.remedies, includeClear: false };
    this.#context = contextFor(this.#wish, query, judges.site);
    this.#sheet.write(frame.open);
  }

  /** Bytes of answers that were not taken. */
  get size(): number {
    return this.#sheet.length;
  }

  /** Answers `sent`, however wrong it is. */
  add({ place, json, read, ref }: Sent): void {
    this.#totals.items++;
    const { answers } = this.#judges;
    const whole = json === null ? null : worded(json, this.#context);
    const known = whole && answers.known(whole);
    if (known) {
      this.#answer(place, known);
      return;
    }
    let items: readonly Item[];
    try {
      items = read();
    } catch (error) {
      this.#refuse({ ...place, ...called(ref(), undefined) }, error);
      return;
    }
    for (const sent of items) {
      try {
        const item = underSite(withHosts(sent, this.#query, this.#profiles), this.#judges.site);
        this.#answer(place, answers.of(item, this.#wish, whole));
      } catch (error) {
        this.#refuse({ ...place, ...namesOf(sent) }, inItem(error, sent));
      }
    }
  }

  /** The answers since they were last taken. */
  take(): Buffer {
    if (this.#unreported.size >= REPORT_ANSWERS || performance.now() - this.#reported >= REPORT_MS) this.report();
    return this.#sheet.take();
  }

  /** The rest of the answers, and the totals; `complete` unless items were left unread. */
  end(complete: boolean): Buffer {
    this.report();
    this.#judges.metrics.observeBatch(this.#totals.decisions + this.#totals.errors);
    const { items, decisions, errors, largestBitmap } = this.#totals;
    const totals: BatchTotals = {
      complete,
      items,
      decisions,
      errors,
      verdicts: this.#verdicts,
      rules: Object.fromEntries(
        [...this.#rules]
          .toSorted(([a], [b]) => (a < b ? -1 : 1))
          .map(([rule, outcomes]) => [rule, Object.fromEntries(outcomes)]),
      ),
      largestBitmap,
    };
    this.#sheet.write(this.#frame.close(JSON.stringify({ totals })));
    return this.take();
  }

  #answer(place: Sent['place'], answered: Answered): void {
    const { only, summary } = this.#query;
    const { answer, names, called: own, isNew } = answered;
    const isListed = only === null || only.has(answer.figures.verdict);
    const counted = this.#unreported.get(answer);
    if (counted) counted.times++;
    const { decisionLog } = this.#judges;
    if (counted && !isListed && decisionLog === null) return;
    const decisionId = decisionIdOf(answered);
    if (answer.record && decisionLog?.wants(decisionId)) {
      decisionLog.write(this.#asked, decisionId, filled(answer.record, names));
    }
    if (isNew) this.#judges.metrics.observeEvaluation(decisionId, answer.seconds);
    if (!counted) this.#unreported.set(answer, { times: 1, decisionId });
    const { largestBitmap } = answer;
    if (largestBitmap && largestBitmap.bytes > (this.#totals.largestBitmap?.bytes ?? 0)) {
      this.#totals.largestBitmap = { ...largestBitmap, ...place, ...own };
    }
    if (!isListed) return;
    this.#begin(`${beginning(place, own)}"decisionId":"${decisionId}",`);
    fill(this.#sheet, summary ? answer.brief() : answer.whole, names);
    this.#sheet.write(this.#frame.after);
  }

  #refuse(place: ItemPlace, error: unknown): void {
    this.#totals.errors++;
    if (!(error instanceof Problem)) this.#judges.failed(error);
    const problem = error instanceof Problem ? error : internalError();
    this.#begin(JSON.stringify({ ...place, ...problem.inLine(this.#asked.requestId, this.#asked.traceId) }));
    this.#sheet.write(this.#frame.after);
  }

  #begin(text: string): void {
    this.#sheet.write(this.#isFirst ? text : this.#frame.before + text);
    this.#isFirst = false;
  }

  /** Tells the metrics, and the totals, of the decisions since they were last told. */
  report(): void {
    const { metrics } = this.#judges;
    for (const [{ figures, hasReasons }, { times, decisionId }] of this.#unreported) {
      const { verdict, findings } = figures;
      metrics.observeFigures(figures, decisionId, times);
      if (hasReasons) metrics.observeAgreement(figures, times);
      this.#totals.decisions += times;
      this.#verdicts[verdict] += times;
      for (const key of new Set(findings.map(({ rule, outcome }) => `${rule} ${outcome}`))) {
        const [rule, outcome] = key.split(' ') as [string, string];
        const outcomes = this.#rules.get(rule) ?? new Map<string, number>();
        this.#rules.set(rule, outcomes);
        add(outcomes, outcome, times);
      }
    }
    this.#unreported.clear();
    this.#reported = performance.now();
  }
}

/** The members with which an answer begins, spelt out: a spread and JSON.stringify take as long as all else. */
const beginning = (place: Sent['place'], { ref, name }: Called): string =>
  ('line' in place ? `{"line":${place.line},` : `{"index":${place.index},`) +
  (ref === undefined ? '' : `"ref":${JSON.stringify(ref)},`) +
  (name === undefined ? '' : `"name":${JSON.stringify(name)},`);

const add = (counts: Map<string, number>, key: string, times: number): void => {
  counts.set(key, (counts.get(key) ?? 0) + times);
};

type ItemPlace = Sent['place'] & Partial<Called>;

/** What an item and its VM are called, where that is fit to be repeated. */
function namesOf({ descriptor }: Item): Called {
  if (!isObject(descriptor)) return called(undefined, undefined);
  const { ref, vm } = descriptor;
  return called(ref, isObject(vm) ? vm['name'] : undefined);
}

const called = (ref: unknown, name: unknown): Called => ({ ref: fit(ref), name: fit(name) });

const fit = (text: unknown): string | undefined =>
  typeof text === 'string' && text.length <= NAME_MAX ? text : undefined;
