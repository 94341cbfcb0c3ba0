import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { traceIdOf } from '../../src/http/tracing.ts';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const PARENT = 'b7ad6b7169203331';
const request = '8c2f1a90-5f0e-4d53-9c1b-2f6f0f6a7d11';
const fresh = '8c2f1a905f0e4d539c1b2f6f0f6a7d11';

describe('a traceparent that is honoured', () => {
  it.each([
    ['sampled', `00-${TRACE}-${PARENT}-01`],
    ['not sampled', `00-${TRACE}-${PARENT}-00`],
    ['flags that nobody knows yet', `00-${TRACE}-${PARENT}-ff`],
    ['a later version with the same fields', `01-${TRACE}-${PARENT}-01`],
    ['a later version with one field more', `cc-${TRACE}-${PARENT}-01-what-comes-next`],
    ['a later version with an empty field more', `fe-${TRACE}-${PARENT}-01-`],
  ])('%s', (_what, traceparent) => {
    expect(traceIdOf(traceparent, request)).toBe(TRACE);
  });
});

describe('a traceparent that is ignored', () => {
  it.each([
    ['none', undefined],
    ['an empty one', ''],
    ['words', 'hello'],
    ['version ff', `ff-${TRACE}-${PARENT}-01`],
    ['version 00 with one field more', `00-${TRACE}-${PARENT}-01-what-comes-next`],
    ['version 00 with a hyphen more', `00-${TRACE}-${PARENT}-01-`],
    ['a later version that goes on without a hyphen', `01-${TRACE}-${PARENT}-01x`],
    ['a version of one digit', `0-${TRACE}-${PARENT}-01`],
    ['a version that is not hexadecimal', `0g-${TRACE}-${PARENT}-01`],
    ['a trace id of zeros', `00-${'0'.repeat(32)}-${PARENT}-01`],
    ['a parent id of zeros', `00-${TRACE}-${'0'.repeat(16)}-01`],
    ['capital letters', `00-${TRACE.toUpperCase()}-${PARENT}-01`],
    ['a trace id that is too short', `00-${TRACE.slice(1)}-${PARENT}-01`],
    ['a trace id that is too long', `00-${TRACE}0-${PARENT}-01`],
    ['a parent id that is too short', `00-${TRACE}-${PARENT.slice(1)}-01`],
    ['no flags', `00-${TRACE}-${PARENT}`],
    ['flags of one digit', `00-${TRACE}-${PARENT}-1`],
    ['blanks around', ` 00-${TRACE}-${PARENT}-01 `],
    ['a line more', `00-${TRACE}-${PARENT}-01\n`],
    ['two, as Node joins them', `00-${TRACE}-${PARENT}-01, 00-${TRACE}-${PARENT}-01`],
    ['two, as a list', [`00-${TRACE}-${PARENT}-01`]],
  ])('%s', (_what, traceparent) => {
    expect(traceIdOf(traceparent, request)).toBe(fresh);
  });
});

describe('the id of a trace', () => {
  it('is always one that a traceparent may carry', () => {
    const anything = fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom('0', 'a', 'f', '-') }));
    fc.assert(
      fc.property(anything, (traceparent) => {
        const traceId = traceIdOf(traceparent, randomUUID());
        expect(traceIdOf(`00-${traceId}-${PARENT}-01`, request)).toBe(traceId);
      }),
    );
  });
});
