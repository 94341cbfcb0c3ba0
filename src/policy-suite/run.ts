import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { check } from '../descriptor/check.ts';
import { lazy } from '../descriptor/lazy.ts';
import { withValueAt } from '../descriptor/pointer.ts';
import type { Descriptor } from '../descriptor/schema.ts';
import type { DecidedFinding, Decision } from '../evaluation/decision.ts';
import { evaluate } from '../evaluation/evaluate.ts';
import { Reader } from '../http/body.ts';
import { envelopeParts } from '../http/envelope.ts';
import { withHosts } from '../http/host-facts.ts';
import { NO_PROFILES } from '../http/host-profiles.ts';
import { type Item, plainItem } from '../http/item.ts';
import { overlay } from '../http/overlay.ts';
import type { Site } from '../http/policies.ts';
import { parsePolicy } from '../http/policy-file.ts';
import { Problem } from '../http/problems.ts';
import { namedSchemas, ref } from '../http/schemas.ts';
import { profilesUnder, underSite } from '../http/site-defaults.ts';
import { validators } from '../http/validation.ts';
import { type Expectation, parseSuite, type Suite, type Test, unknownRules } from './suite.ts';

/** How one test came out. */
export interface Result {
  readonly name: string;
  /** Of the file that says it. */
  readonly line: number;
  /** What is otherwise than expected; empty if nothing is. */
  readonly differences: readonly string[];
}

const validate = lazy(() => {
  const compile = validators(namedSchemas());
  return { descriptor: compile({ schema: ref('Descriptor') }), envelope: compile({ schema: envelopeParts }) };
});

/**
 * Runs the tests of the file at `path`; where it does not say when it is, it is `now`, in milliseconds since the epoch.
 * @throws Error if the file, or one that it names, is not good.
 */
export function runSuite(path: string, now: number): Result[] {
  const { suite, lineOf } = parseSuite(readFileSync(path, 'utf8'));
  const policy = parsePolicyAt(resolve(dirname(path), suite.policy));
  const inForce = policy.at(suite.at === undefined ? now : Date.parse(suite.at));
  const site = { policy: inForce, defaults: policy.content.defaults ?? {} };
  const own = (policy.content.rules ?? []).map(({ id }) => id);
  return suite.tests.map((test, index) => ({
    name: test.name,
    line: lineOf(`/tests/${index}`),
    differences: [...unknownRules(test.expect, own), ...differencesIn(test, suite, dirname(path), site)],
  }));
}

function parsePolicyAt(path: string) {
  try {
    return parsePolicy(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new Error(`${path}: ${(error as Error).message}`, { cause: error });
  }
}

function differencesIn(test: Test, suite: Suite, directory: string, site: Site): string[] {
  try {
    return compared(decisionOf(test, suite, directory, site), test.expect);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    const { errors } = error.body('', '');
    return errors.length === 0
      ? [error.message]
      : errors.map(({ pointer = '', line, detail }) => [pointer, line, detail].filter(Boolean).join(': '));
  }
}

function decisionOf(test: Test, suite: Suite, directory: string, site: Site): Decision {
  const item = itemOf(test, suite, directory);
  const left = (test.without ?? []).reduce((each, pointer) => withValueAt(each, pointer, undefined), item.descriptor);
  const {
    descriptor,
    notes,
    site: known,
  } = underSite(withHosts({ ...item, descriptor: left }, {}, profilesUnder(site, NO_PROFILES)), site);
  const valid = validate().descriptor(descriptor);
  if (valid !== true) throw valid.error;
  const faults = check(descriptor as Descriptor);
  if (faults.length > 0) throw new Problem('invalid-request', 'the VM is impossible', faults);
  return evaluate(descriptor as Descriptor, { notChecked: notes, site: known, policy: site.policy, decides: false });
}

function itemOf({ document, given = {} }: Test, { base = {} }: Suite, directory: string): Item {
  if (document !== undefined) {
    const sent = { ...given, import: { document: readFileSync(resolve(directory, document), 'utf8') } };
    const [item] = new Reader(validate().envelope).itemsIn(sent, 'one');
    return item ?? plainItem(undefined);
  }
  const { value, faults } = overlay(base, given);
  if (faults.length > 0) throw new Problem('invalid-request', 'what is given does not fit the base', faults);
  return plainItem(value);
}

/** What of `decision` is not as `expected`. */
function compared({ verdict, because, summary, findings }: Decision, expected: Expectation): string[] {
  const those = (is: (finding: DecidedFinding) => boolean): ReadonlySet<string> =>
    new Set(findings.filter(is).map(({ rule }) => rule));
  const firing = those(({ outcome, accepted }) => outcome === 'fires' && accepted === undefined);
  const accepted = those((finding) => finding.outcome === 'fires' && finding.accepted !== undefined);
  const open = those(({ outcome }) => outcome === 'unknown');
  const missing = (ids: readonly string[] = [], found: ReadonlySet<string>, words: string): string[] =>
    ids.filter((id) => !found.has(id)).map((id) => `${id} ${words}`);
  return [
    ...(expected.verdict === undefined || expected.verdict === verdict
      ? []
      : [`the verdict is ${verdict}, not ${expected.verdict}: ${summary}`]),
    ...(expected.because === undefined || sameWords(expected.because, because)
      ? []
      : [`that is because of ${because.join(', ') || 'nothing'}, not of ${expected.because.join(', ') || 'nothing'}`]),
    ...(expected.fires ?? []).flatMap((id) => {
      if (firing.has(id)) return [];
      return [`${id} ${accepted.has(id) ? 'is accepted' : open.has(id) ? 'is unknown' : 'does not fire'}`];
    }),
    ...(expected.quiet ?? []).filter((id) => firing.has(id) || accepted.has(id)).map((id) => `${id} fires`),
    ...(expected.quiet ?? []).filter((id) => open.has(id)).map((id) => `${id} is unknown`),
    ...missing(expected.unknown, open, 'is not unknown'),
    ...missing(expected.accepted, accepted, 'is not accepted'),
    ...Object.entries(expected.says ?? {}).flatMap(([id, part]) => unsaid(id, part, findings)),
  ];
}

const sameWords = (some: readonly string[], others: readonly string[]): boolean =>
  [...some].toSorted().join() === [...others].toSorted().join();

function unsaid(id: string, part: string, findings: readonly DecidedFinding[]): string[] {
  const said = findings.flatMap(({ rule, messages }) => (rule === id ? (messages.site ?? []) : []));
  return said.some((message) => message.includes(part)) ? [] : [`${id} says ${JSON.stringify(said)}, not "${part}"`];
}
