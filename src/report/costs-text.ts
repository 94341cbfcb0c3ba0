import type { DecidedContainer, DecidedTransition, Decision } from '../evaluation/decision.ts';
import { bar, count, iec, type Ink, wrapped } from './terminal.ts';

/** What `decision` costs: container by container, then all together. */
export function costLines(decision: Decision, ink: Ink): string[][] {
  const together = vmLines(decision, ink);
  return [
    ...decision.containers.map((container) => containerLines(container, decision.limits, ink)),
    ...(together.length > 0 ? [together] : []),
  ];
}

type Limits = Decision['limits'];

function containerLines(container: DecidedContainer, { dirtyBitmapBytes }: Limits, ink: Ink): string[] {
  const { id, devices, backend, addressSpace, tracker, limitBytes, trackingStart, sync, transitions } = container;
  // Only type1 holds a bitmap against a limit.
  const bitmapLimit = backend === 'legacy' && (tracker === 'type1' || tracker === 'unknown') ? dirtyBitmapBytes : null;
  const space = addressSpace === 'memory' ? 'guest memory' : `the vIOMMU address space of ${addressSpace}`;
  return [
    ...wrapped(2, `${id}: ${devices.join(', ')} (${backend}, in ${space})`, 4),
    ...row('tracker', tracker),
    ...(bitmapLimit === null || limitBytes === undefined || limitBytes === null
      ? []
      : row('one bitmap', `at most ${iec(bitmapLimit)}, for ${iec(limitBytes)}`)),
    ...(trackingStart ? trackingStartLines(trackingStart) : []),
    ...(sync ? syncLines(sync, bitmapLimit, ink) : []),
    ...transitionLines(transitions, bitmapLimit, ink),
  ];
}

/** A label of the first column, and what stands beside it. */
const row = (label: string, what: string): string[] => wrapped(4, `${label.padEnd(LABEL)}  ${what}`, SECOND);
const LABEL = 16;

/** Where the second column begins. */
const SECOND = 4 + LABEL + 2;

/** A bar in the second column. It fits, and is not wrapped, because it may be coloured. */
const barred = (drawn: string): string => `${' '.repeat(SECOND)}${drawn}`;

function trackingStartLines({
  ok,
  kernelBytes,
  loggingRanges,
  error,
  atLeast,
}: NonNullable<DecidedContainer['trackingStart']>): string[] {
  const why = error ? `${error.errno} from ${error.refusedBy}` : '';
  const outcome = ok === true ? 'succeeds' : ok === false ? `fails: ${why}` : `may fail: ${why}`;
  const ranges = loggingRanges?.map(({ iova, size }) => `${iova} + ${size}`) ?? [];
  return [
    ...row('tracking start', outcome),
    ...(kernelBytes > 0 ? row('', `${between(atLeast?.kernelBytes, kernelBytes, iec)} of kernel memory`) : []),
    ...(ranges.length > 0 ? row('', `devices log ${ranges.join(', ')}`) : []),
  ];
}

function syncLines(
  {
    queries,
    ioctls,
    bitmapBytes,
    largestBitmapBytes,
    dirtyBytesPerPass,
    atLeast,
  }: NonNullable<DecidedContainer['sync']>,
  limit: number | null,
  ink: Ink,
): string[] {
  return [
    ...row(
      'each sync',
      `${between(atLeast?.queries, queries, count)} queries, ${between(atLeast?.ioctls, ioctls, count)} ioctls`,
    ),
    ...row('', `${between(atLeast?.bitmapBytes, bitmapBytes, iec)} of bitmaps`),
    ...bitmapLines(between(atLeast?.largestBitmapBytes, largestBitmapBytes, iec), largestBitmapBytes, limit, ink),
    ...row('', `${between(atLeast?.dirtyBytesPerPass, dirtyBytesPerPass, iec)} dirty on every pass`),
  ];
}

function transitionLines(transitions: readonly DecidedTransition[], limit: number | null, ink: Ink): string[] {
  const [first, ...others] = transitions;
  if (!first) return [];
  const worst = others.reduce((a, b) => (isWorse(b, a) ? b : a), first);
  const { from, to, strategy, unmapCalls, ioctls, bitmapBytesAllocated, largestBitmapBytes } = worst;
  const { failures, firstFailure, leftMappedBytes, dirtyBytesLost, atLeast } = worst;
  return [
    ...row('worst switch', `${from} to ${to} (${strategy}), the worst of ${transitions.length}`),
    ...row(
      '',
      `${between(atLeast?.unmapCalls, unmapCalls, count)} unmaps, ${between(atLeast?.ioctls, ioctls, count)} ioctls`,
    ),
    ...row('', `${between(atLeast?.bitmapBytesAllocated, bitmapBytesAllocated, iec)} of bitmaps`),
    ...bitmapLines(between(atLeast?.largestBitmapBytes, largestBitmapBytes, iec), largestBitmapBytes, limit, ink),
    ...(failures > 0 ? row('', `${between(atLeast?.failures, failures, count)} refused`) : []),
    ...(firstFailure ? row('', `the first by ${firstFailure.refusedBy}: "${firstFailure.message}"`) : []),
    ...(leftMappedBytes > 0 ? row('', `${between(atLeast?.leftMappedBytes, leftMappedBytes, iec)} left mapped`) : []),
    ...(dirtyBytesLost > 0
      ? row('', `${between(atLeast?.dirtyBytesLost, dirtyBytesLost, iec)} of dirty bits lost`)
      : []),
  ];
}

/** What is refused most, then what needs the largest bitmap, then what takes most calls. */
const isWorse = (a: DecidedTransition, b: DecidedTransition): boolean =>
  (a.failures - b.failures || a.largestBitmapBytes - b.largestBitmapBytes || a.unmapCalls - b.unmapCalls) > 0;

const bitmapLines = (shown: string, largest: number, limit: number | null, ink: Ink): string[] => [
  ...row('', `the largest ${shown}`),
  ...(limit === null ? [] : [barred(bar(largest, limit, iec, ink))]),
];

function vmLines({ convergence, memlockBytes, dmaEntries, atLeast, limits, containers }: Decision, ink: Ink): string[] {
  const isLegacy = containers.some(({ backend }) => backend === 'legacy');
  return [
    ...(convergence ? convergenceLines(convergence) : []),
    ...(memlockBytes === undefined
      ? []
      : [
          ...row('locked memory', between(atLeast?.memlockBytes, memlockBytes, iec)),
          ...(limits.memlockBytes === undefined ? [] : [barred(bar(memlockBytes, limits.memlockBytes, iec, ink))]),
        ]),
    ...(dmaEntries === undefined || !isLegacy
      ? []
      : [
          ...row('DMA entries', between(atLeast?.dmaEntries, dmaEntries, count)),
          barred(bar(dmaEntries, limits.dmaEntries, count, ink)),
        ]),
  ];
}

function convergenceLines({
  dirtyBytesPerPass,
  downtimeFloorMs,
  converges,
  atLeast,
}: NonNullable<Decision['convergence']>): string[] {
  const answer = converges === 'unknown' ? 'not known' : converges ? 'yes' : 'no';
  return [
    ...row('converges', answer),
    ...row('', `${between(atLeast?.dirtyBytesPerPass, dirtyBytesPerPass, iec)} dirty on every pass`),
    ...(downtimeFloorMs === undefined ? [] : row('', `downtime of ${count(downtimeFloorMs)} ms or more`)),
  ];
}

/** Both bounds, where there are two. */
const between = (least: number | undefined, most: number, show: (value: number) => string): string =>
  least === undefined || least === most ? show(most) : `${show(least)} to ${show(most)}`;
