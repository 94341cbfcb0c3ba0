import type { Bounds } from '../descriptor/bounds.ts';
import type { Container } from '../descriptor/container.ts';
import type { Convergence } from '../descriptor/convergence.ts';
import type { SyncFigures } from '../descriptor/dirty-sync.ts';
import type { Known } from '../descriptor/fact.ts';
import type { Host } from '../descriptor/host.ts';
import type { Needs } from '../descriptor/needs.ts';
import { hex } from '../descriptor/quantities.ts';
import type { Scenario } from '../descriptor/scenario.ts';
import type { TrackingStart } from '../descriptor/tracking-start.ts';
import type { Transition, TransitionCost } from '../descriptor/transitions.ts';
import { unmapError } from '../rules/vfio-unmap.ts';
import type { FailedStep, UnmapFigures } from '../simulator/index.ts';
import type { DecidedContainer, DecidedTransition, Decision } from './decision.ts';

/** `container` as a decision shows it. Costs that are not known are left out: a rule lacks what they lack. */
export function containerCosts(container: Container): DecidedContainer {
  const { id, addressSpace, backend, devices, tracker, limit, trackingStart: start, sync, transitions } = container;
  return {
    id,
    addressSpace,
    backend: (backend as Known<DecidedContainer['backend']>).value,
    devices: devices.map((device) => device.id),
    tracker: tracker.known ? tracker.value : 'unknown',
    ...(limit.known && { limitBytes: limit.value === null ? null : amount(limit.value) }),
    ...(start.known && start.value && { trackingStart: startCost(start.value) }),
    ...(sync.known && sync.value && { sync: bounded(sync.value, passAmounts) }),
    transitions: transitions.flatMap((transition) =>
      transition.cost.known ? [costs(transition, transition.cost.value)] : [],
    ),
  };
}

/** What the VM's containers cost together, as far as that is known, and what their host allows. */
export function vmCosts({
  convergence,
  needs,
  host,
}: Scenario): Pick<Decision, 'convergence' | keyof Needs | 'atLeast' | 'limits'> {
  const converging = convergence();
  const needed = needs();
  return {
    ...(converging.known && converging.value && { convergence: convergenceOf(converging.value) }),
    ...(needed.known && needed.value && bounded(needed.value, needAmounts)),
    limits: limitsOf(host),
  };
}

const limitsOf = ({ maxDirtyBitmapSize, dmaEntryLimit, memlockLimit }: Host): Decision['limits'] => ({
  dirtyBitmapBytes: amount((maxDirtyBitmapSize as Known<bigint>).value),
  dmaEntries: dmaEntryLimit,
  ...(memlockLimit !== null && { memlockBytes: amount(memlockLimit) }),
});

function convergenceOf({
  dirtyBytes,
  dirtyBytesAtLeast,
  downtimeFloorMs,
  converges,
}: Convergence): NonNullable<Decision['convergence']> {
  return {
    dirtyBytesPerPass: amount(dirtyBytes),
    ...(downtimeFloorMs !== undefined && { downtimeFloorMs: amount(downtimeFloorMs) }),
    converges,
    ...(dirtyBytesAtLeast !== dirtyBytes && { atLeast: { dirtyBytesPerPass: amount(dirtyBytesAtLeast) } }),
  };
}

function startCost(start: TrackingStart): NonNullable<DecidedContainer['trackingStart']> {
  const { ranges, failure, possibleFailure } = start;
  return {
    ok: failure ? false : possibleFailure ? 'unknown' : true,
    ...bounded(start, ({ kernelBytes }) => ({ kernelBytes: amount(kernelBytes) })),
    ...(ranges && { loggingRanges: ranges.map(({ iova, size }) => ({ iova: hex(iova), size: hex(size) })) }),
    ...(possibleFailure && { error: possibleFailure }),
  };
}

/** Upper bounds, and beside them the lower ones where they differ. */
const bounded = <Figures, Shown>(
  { figures, atLeast }: Bounds<Figures>,
  of: (figures: Figures) => Shown,
): Shown & { atLeast?: Shown } => ({ ...of(figures), ...(atLeast && { atLeast: of(atLeast) }) });

const passAmounts = (figures: SyncFigures) => ({
  queries: amount(figures.queries),
  ioctls: amount(figures.ioctls),
  bitmapBytes: amount(figures.bitmapBytes),
  largestBitmapBytes: amount(figures.largestBitmapBytes),
  dirtyBytesPerPass: amount(figures.dirtyBytesPerPass),
});

const needAmounts = ({ memlockBytes, dmaEntries }: Needs) => ({
  memlockBytes: amount(memlockBytes),
  dmaEntries: amount(dmaEntries),
});

const AMOUNT_MAX = BigInt(Number.MAX_SAFE_INTEGER);

/** `value` as JSON can say it exactly. What a guest may map many times over can come to more, which no host has. */
export const amount = (value: bigint): number => Number(value < AMOUNT_MAX ? value : AMOUNT_MAX);

function costs({ from, to }: Transition, cost: TransitionCost): DecidedTransition {
  const { firstFailure } = cost.figures;
  return {
    from,
    to,
    strategy: cost.strategy,
    ...bounded(cost, amounts),
    ...(firstFailure && { firstFailure: failureOf(firstFailure) }),
  };
}

type Amounts = NonNullable<DecidedTransition['atLeast']>;

const amounts = (figures: UnmapFigures): Amounts => ({
  unmapCalls: amount(figures.unmapCalls),
  ioctls: amount(figures.ioctls),
  bitmaps: amount(figures.bitmaps),
  bitmapBytesAllocated: amount(figures.bitmapBytesAllocated),
  largestBitmapBytes: amount(figures.largestBitmapBytes),
  failures: amount(figures.failures),
  leftMappedBytes: amount(figures.leftMappedBytes),
  dirtyBytesLost: amount(figures.dirtyBytesLost),
});

function failureOf(step: FailedStep): NonNullable<DecidedTransition['firstFailure']> {
  const { result, errno, kernelErrno, refusedBy } = step.failure;
  return {
    iova: hex(step.iova),
    size: hex(step.size),
    bitmapBytes: amount(step.bitmapBytes),
    result,
    errno,
    ...(kernelErrno && { kernelErrno }),
    refusedBy,
    message: unmapError(step),
  };
}
