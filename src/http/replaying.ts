import { Comparison } from '../decision-log/comparison.ts';
import type { LoggedDecision } from '../decision-log/logged-decision.ts';
import { type Outcome, outcomeOf } from '../decision-log/outcome.ts';
import { check } from '../descriptor/check.ts';
import { type Pointer, tokens, valueAt } from '../descriptor/pointer.ts';
import type { Descriptor } from '../descriptor/schema.ts';
import { decisionIdOf, ruleset } from '../evaluation/canonical.ts';
import { evaluate } from '../evaluation/evaluate.ts';
import { readJson } from './body.ts';
import { type Item, plainItem } from './item.ts';
import type { Line } from './lines.ts';
import { isObject } from '../descriptor/json-object.ts';
import { type Site, SILENT } from './policies.ts';
import { invalidRequest, Problem } from './problems.ts';
import type { ReplayedDecision, ReplayTotals } from './replays-schema.ts';
import { underSite } from './site-defaults.ts';
import type { Validate } from './validation.ts';

/** Outcomes that are kept: the VMs of a site come again and again. */
const KEPT_MAX = 10_000;

/** What judges the shape of a line, and of the descriptor in it. */
export interface Shapes {
  readonly isLine: Validate;
  readonly isDescriptor: Validate;
}

/** Decides logged decisions again, and holds what comes of it against what was logged. */
export class Replaying {
  readonly #shapes: Shapes;
  readonly #site: Site;
  readonly #comparison = new Comparison();
  /** By the address of the decision. */
  readonly #known = new Map<string, Outcome>();

  /** `site` is what the site says now. */
  constructor(shapes: Shapes, site: Site) {
    this.#shapes = shapes;
    this.#site = site;
  }

  /**
   * What the decision of `line` is now, if it is another.
   * @throws Problem naming what is wrong with the line.
   */
  add({ number, text }: Line): ReplayedDecision | null {
    try {
      if (text === null) throw new Problem('line-too-long', `line ${number} is too long`);
      const logged = readJson(text);
      const valid = this.#shapes.isLine(logged);
      if (valid !== true) throw valid.error;
      return this.#decided(number, logged as LoggedDecision);
    } catch (error) {
      this.#comparison.refuse();
      throw error;
    }
  }

  /** What all lines come to; `complete` unless some were left unread. */
  totals(complete: boolean): ReplayTotals {
    const { policy } = this.#site;
    return { complete, ...this.#comparison.totals(), ruleset, ...(policy && { policyRevision: policy.revision }) };
  }

  #decided(line: number, logged: LoggedDecision): ReplayedDecision | null {
    this.#judge(logged.input);
    const item = itemOf(logged, this.#site);
    const descriptor = item.descriptor as Descriptor;
    // What the site says now may not fit.
    if (item.descriptor !== logged.input) this.#judge(item.descriptor);
    const example = { line, ref: descriptor.ref, name: descriptor.vm.name };
    const decisionId = decisionIdOf(descriptor, item.policy);
    const now = this.#known.get(decisionId) ?? this.#outcome(item, decisionId);
    const change = this.#comparison.add(example, logged, now, decisionId);
    if (change === null) return null;
    const { figures, ...changed } = change;
    return {
      ...example,
      decisionId: logged.decisionId,
      ...changed,
      because: now.because,
      ...(figures && { figures }),
      ...(logged.masked && { masked: logged.masked }),
    };
  }

  /** @throws Problem unless `input` is a good descriptor. */
  #judge(input: unknown): void {
    const valid = this.#shapes.isDescriptor(input);
    const faults = valid === true ? check(input as Descriptor) : valid.error.places;
    if (faults.length === 0) return;
    throw invalidRequest(faults.map(({ pointer = '', ...fault }) => ({ pointer: `/input${pointer}`, ...fault })));
  }

  #outcome(item: Item, decisionId: string): Outcome {
    const now = outcomeOf(evaluate(item.descriptor as Descriptor, { policy: item.policy ?? null, decides: false }));
    if (this.#known.size >= KEPT_MAX) this.#known.clear();
    this.#known.set(decisionId, now);
    return now;
  }
}

/**
 * What `logged` was decided on, under what `site` says: what a policy said then stands back for what it says now. Under the
 * policy that was in force, it is what it was.
 */
export function itemOf({ input, notChecked = [], site = [], defaults = [], policy }: LoggedDecision, now: Site): Item {
  const said = site.filter((pointer) => !defaults.includes(pointer));
  const item = { ...plainItem(without(input, defaults)), notes: notChecked, site: new Set(said) };
  return underSite(item, policy === 'none' ? SILENT : now);
}

/** `document` without what stands at `pointers`. */
function without(document: LoggedDecision['input'], pointers: readonly Pointer[]): unknown {
  if (pointers.length === 0) return document;
  const left = structuredClone(document);
  for (const pointer of pointers) {
    const end = Math.max(pointer.lastIndexOf('/'), 0);
    const [last = ''] = tokens(pointer.slice(end));
    // A line may say anything: only members of the document itself are followed.
    const holder = valueAt(left, pointer.slice(0, end));
    if (isObject(holder)) delete (holder as Record<string, unknown>)[last];
  }
  return left;
}
