import { type GuestEvent, guestEvents } from '../descriptor/migration.ts';
import type { DecidedFinding, Decision } from '../evaluation/decision.ts';
import { catalogue } from '../rules/recognise.ts';
import { costLines } from './costs-text.ts';
import { type Ink, plain, text, wrapped } from './terminal.ts';

/**
 * `decision` as a report for a terminal: what it comes to, why, what it costs, what can be done about it, and last what
 * it rests on. QEMU's messages stand whole between quotation marks; where a line breaks in one there is a blank.
 */
export function decisionText(decision: Decision, ink: Ink = plain): string {
  const { assumptions, scope, decisionId, ruleset, policyRevision } = decision;
  const findings = decision.findings.filter(({ layer }) => layer !== 'policy');
  const site = decision.findings.filter(({ layer }) => layer === 'policy');
  const clear = decision.findings.filter(({ outcome }) => outcome === 'clear');
  return text([
    ...verdictLines(decision, ink),
    ...section('Site policy', site.filter(counts).map(findingLines), ink),
    ...section('Refusals', sorted(findings.filter(isRefusal)).map(findingLines), ink),
    ...hazards(findings).flatMap(({ heading, those }) => section(heading, those.map(findingLines), ink)),
    ...section('Warnings', sorted(findings.filter(isWarning)).map(findingLines), ink),
    ...section('Accepted by the site policy', decision.findings.filter(isAccepted).map(findingLines), ink),
    ...section('Not as QEMU reports it', findings.filter(isWrong).map(findingLines), ink),
    ...section('Unknown', decision.unknowns.map(unknownLines), ink),
    ...section('Costs', costLines(decision, ink), ink),
    ...section('Remedies, least effort first', remedyLines(decision), ink),
    ...section(
      'Rules that do not fire',
      clear.length === 0 ? [] : [wrapped(2, clear.map(({ rule }) => rule).join(', '), 2)],
      ink,
    ),
    ...section('Assumed', bullets(assumptions), ink),
    ...section('Not checked', bullets(scope.notChecked), ink),
    '',
    `Decision ${decisionId}`,
    `Ruleset ${ruleset}`,
    ...(policyRevision === undefined ? [] : [`Policy ${policyRevision}`]),
  ]);
}

/** Colours of verdicts. */
const INKS = { allowed: 'green', risky: 'yellow', unknown: 'cyan', blocked: 'red', unsafe: 'magenta' } as const;

/** A verdict in its colour. */
export const inked = (verdict: Decision['verdict'], shown: string, ink: Ink): string => ink(shown, INKS[verdict]);

function verdictLines({ ref, verdict, because, possible, confidence, summary }: Decision, ink: Ink): string[] {
  const shown = verdict.toUpperCase();
  const [first = '', ...rest] = wrapped(0, `${shown}${ref === undefined ? '' : ` ${ref}`}: ${summary}`);
  return [
    inked(verdict, shown, ink) + first.slice(shown.length),
    ...rest,
    ...(because.length > 0 || possible ? [''] : []),
    ...(because.length > 0 ? wrapped(0, `Because of: ${because.join(', ')} (${confidence})`) : []),
    ...(possible ? wrapped(0, `Can be: ${possible.join(' or ')}`) : []),
  ];
}

/** Parts under a heading, with a blank line between them; nothing where there are none. */
export const section = (heading: string, parts: readonly (readonly string[])[], ink: Ink): string[] =>
  parts.length === 0 ? [] : ['', ink(heading, 'bold'), ...parts.flatMap((part) => ['', ...part])];

export const bullets = (sentences: readonly string[]): string[][] =>
  sentences.length === 0 ? [] : [sentences.flatMap((sentence) => wrapped(2, `- ${sentence}`))];

/** Whether QEMU itself said so, of a blocker that no rule foresaw. */
const isSeen = ({ evidence }: DecidedFinding): boolean =>
  evidence.some(({ pointer }) => pointer.startsWith('/vm/runtime/blockedReasons/'));

const isSaid = (finding: DecidedFinding): boolean => finding.outcome === 'fires' || isSeen(finding);
const counts = (finding: DecidedFinding): boolean => isSaid(finding) && finding.accepted === undefined;
const isAccepted = (finding: DecidedFinding): boolean => isSaid(finding) && finding.accepted !== undefined;
const isWrong = (finding: DecidedFinding): boolean => finding.outcome === 'contradicted' && !isSaid(finding);
const isHazard = ({ effect, trigger }: DecidedFinding): boolean =>
  effect === 'data-loss' || effect === 'no-convergence' || (effect !== 'blocker' && trigger !== undefined);
const isWarning = (finding: DecidedFinding): boolean =>
  counts(finding) && finding.effect === 'warning' && !isHazard(finding);
const isRefusal = (finding: DecidedFinding): boolean =>
  counts(finding) && finding.effect !== 'warning' && !isHazard(finding);

/** What is behind another refusal last. */
const sorted = (findings: readonly DecidedFinding[]): DecidedFinding[] =>
  findings.toSorted((a, b) => Number(a.shadowedBy !== undefined) - Number(b.shadowedBy !== undefined));

/** What must happen. */
const TRIGGERS: Readonly<Record<GuestEvent, string>> = {
  'guest-unmap': 'the guest unmaps',
  'domain-switch': 'the guest moves a device to another domain',
  reset: 'the guest resets a device or reboots',
  hotplug: 'memory or a device is plugged in or out',
  'dirty-rate': 'somebody measures the dirty rate',
};

/** By what must happen; first those for which nothing must. */
function hazards(findings: readonly DecidedFinding[]): { heading: string; those: DecidedFinding[] }[] {
  const fired = findings.filter((finding) => counts(finding) && isHazard(finding));
  return [undefined, ...guestEvents].map((event) => ({
    heading: event === undefined ? 'Hazards of any migration' : `Hazards if ${TRIGGERS[event]} (${event})`,
    those: sorted(fired.filter(({ trigger }) => trigger === event)),
  }));
}

const titles: ReadonlyMap<string, string> = new Map(catalogue.map(({ id, title }) => [id, title]));

const PHASES: Readonly<Record<DecidedFinding['phase'], string>> = {
  start: 'as QEMU starts',
  'migrate-command': 'as migrate is called',
  'tracking-start': 'as dirty tracking starts',
  'mid-migration': 'while the migration runs',
  silent: 'and nothing says so',
};

/** What the site makes of what its policy finds. */
const SITE_EFFECTS: ReadonlyMap<DecidedFinding['effect'], string> = new Map([
  ['site-refusal', 'refused'],
  ['site-risk', 'risky'],
  ['warning', 'a warning'],
]);

/** Where messages are read. */
const PLACES = [
  ['start', 'start'],
  ['queryMigrate', 'query-migrate'],
  ['migrate', 'migrate'],
] as const;

function findingLines(finding: DecidedFinding): string[] {
  const { rule, outcome, effect, phase, layer, host, device, shadowedBy, confidence, messages, liftedBy, accepted } =
    finding;
  const title = titles.get(rule);
  const where = [...(device === undefined ? [] : [device]), ...(host === 'destination' ? ['on the destination'] : [])];
  const what =
    layer === 'policy'
      ? (SITE_EFFECTS.get(effect) ?? effect)
      : `${effect} by ${layer}, ${PHASES[phase]} (${confidence})`;
  return [
    ...wrapped(2, title === undefined ? rule : `${rule}: ${title}`, 4),
    ...wrapped(4, where.length === 0 ? what : `${where.join(' ')}: ${what}`),
    ...(shadowedBy === undefined ? [] : wrapped(4, `Behind ${shadowedBy}: cannot happen while that refuses`)),
    ...(outcome === 'contradicted'
      ? wrapped(
          4,
          isSeen(finding) ? 'QEMU reports it, no rule foresaw it' : 'A rule foresaw it, QEMU does not report it',
        )
      : []),
    ...messageLines(messages, finding),
    ...(messages.site === undefined ? [] : wrapped(4, `"${messages.site}"`)),
    ...(accepted ? wrapped(4, `Accepted by ${accepted.by} until ${accepted.until}: ${accepted.why}`) : []),
    ...(liftedBy.length > 0 ? wrapped(4, `Lifted by: ${liftedBy.join(', ')}`) : []),
  ];
}

/** QEMU's words, once for all places where they are the same. */
function messageLines(messages: DecidedFinding['messages'], { reportedBy }: DecidedFinding): string[] {
  const places = new Map<string, string[]>();
  for (const [key, place] of PLACES) {
    const message = messages[key];
    if (message === undefined) continue;
    const said = reportedBy.includes(place) ? place : `${place} (not said)`;
    places.set(message, [...(places.get(message) ?? []), said]);
  }
  return [...places].flatMap(([message, said]) => wrapped(4, `${said.join(', ')}: "${message}"`));
}

function unknownLines({ pointer, neededBy, obtain, decides = {} }: Decision['unknowns'][number]): string[] {
  const values = new Map<string, string[]>();
  for (const [value, verdict] of Object.entries(decides)) values.set(verdict, [...(values.get(verdict) ?? []), value]);
  const outcomes = [...values].map(
    ([verdict, those]) => `${verdict === 'unknown' ? 'still unknown' : verdict} if ${those.join(', ')}`,
  );
  return [
    ...wrapped(2, pointer),
    ...(outcomes.length > 0 ? wrapped(4, `Decides: ${outcomes.join('; ')}`) : []),
    ...wrapped(4, `Look: ${obtain}`),
    ...wrapped(4, `Needed by: ${neededBy.join(', ')}`),
  ];
}

function remedyLines({ remedies, verdict }: Decision): string[][] {
  if (!remedies || verdict === 'allowed') return [];
  if (remedies.length === 0) return [['  None was found.']];
  return remedies.map(({ changes, effort, verdict: after }, index) => [
    `  ${index + 1}. ${after}, at the effort of ${effort}`,
    ...changes.flatMap(({ id, pointer, how, cost }) => [
      ...wrapped(5, `${id} (${pointer})`),
      ...wrapped(7, how),
      ...(cost === undefined ? [] : wrapped(7, `Costs: ${cost}`)),
    ]),
  ]);
}
