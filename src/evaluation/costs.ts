import type { Container } from '../descriptor/container.ts';
import type { Transition, TransitionCost } from '../descriptor/transitions.ts';
import type { Known } from '../descriptor/fact.ts';
import { hex } from '../descriptor/quantities.ts';
import { unmapError } from '../rules/vfio-unmap.ts';
import type { FailedStep, UnmapFigures } from '../simulator/index.ts';
import type { DecidedContainer, DecidedTransition } from './decision.ts';

/** `container` as a decision shows it. Switches whose cost is not known are left out: a rule lacks what they lack. */
export function containerCosts({
  id,
  addressSpace,
  backend,
  devices,
  tracker,
  limit,
  transitions,
}: Container): DecidedContainer {
  return {
    id,
    addressSpace,
    backend: (backend as Known<DecidedContainer['backend']>).value,
    devices: devices.map((device) => device.id),
    tracker: tracker.known ? tracker.value : 'unknown',
    ...(limit.known && { limitBytes: limit.value === null ? null : Number(limit.value) }),
    transitions: transitions.flatMap((transition) =>
      transition.cost.known ? [costs(transition, transition.cost.value)] : [],
    ),
  };
}

function costs({ from, to }: Transition, { strategy, figures, atLeast }: TransitionCost): DecidedTransition {
  const { firstFailure } = figures;
  return {
    from,
    to,
    strategy,
    ...amounts(figures),
    ...(firstFailure && { firstFailure: failureOf(firstFailure) }),
    ...(atLeast && { atLeast: amounts(atLeast) }),
  };
}

type Amounts = NonNullable<DecidedTransition['atLeast']>;

const amounts = (figures: UnmapFigures): Amounts => ({
  unmapCalls: Number(figures.unmapCalls),
  ioctls: Number(figures.ioctls),
  bitmaps: Number(figures.bitmaps),
  bitmapBytesAllocated: Number(figures.bitmapBytesAllocated),
  largestBitmapBytes: Number(figures.largestBitmapBytes),
  failures: Number(figures.failures),
  leftMappedBytes: Number(figures.leftMappedBytes),
  dirtyBytesLost: Number(figures.dirtyBytesLost),
});

function failureOf(step: FailedStep): NonNullable<DecidedTransition['firstFailure']> {
  const { result, errno, kernelErrno, refusedBy } = step.failure;
  return {
    iova: hex(step.iova),
    size: hex(step.size),
    bitmapBytes: Number(step.bitmapBytes),
    result,
    errno,
    ...(kernelErrno && { kernelErrno }),
    refusedBy,
    message: unmapError(step),
  };
}
