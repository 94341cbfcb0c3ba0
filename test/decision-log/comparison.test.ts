import { describe, expect, it } from 'vitest';
import { changeOf, Comparison } from '../../src/decision-log/comparison.ts';
import { comparisonText } from '../../src/decision-log/comparison-text.ts';
import type { LoggedDecision } from '../../src/decision-log/logged-decision.ts';
import type { Outcome } from '../../src/decision-log/outcome.ts';

const outcome = (verdict: Outcome['verdict'], rules: string, bytes = 0): Outcome => ({
  verdict,
  because: [],
  rules: rules
    .split(' ')
    .filter(Boolean)
    .map((rule) => ({ rule, outcome: 'fires' })),
  figures: { largestBitmapBytes: bytes },
  ruleset: '2-x',
});

const logged = (then: Outcome, decisionId: string, masked?: string[]): LoggedDecision => ({
  ...then,
  decisionId,
  requestId: '',
  traceId: '',
  time: '',
  input: {},
  ...(masked && { masked }),
});

describe('a decision changes', () => {
  it.each([
    ['not, if it is the same', outcome('blocked', 'a b'), outcome('blocked', 'a b'), null],
    ['not, if its rules are told in another order', outcome('blocked', 'a b'), outcome('blocked', 'b a'), null],
    [
      'with its verdict',
      outcome('risky', 'a'),
      outcome('blocked', 'a'),
      { from: 'risky', to: 'blocked', appeared: [] },
    ],
    [
      'with a rule more',
      outcome('blocked', 'a'),
      outcome('blocked', 'a b'),
      { appeared: [{ rule: 'b' }], vanished: [] },
    ],
    [
      'with a rule less',
      outcome('blocked', 'a b'),
      outcome('blocked', 'b'),
      { appeared: [], vanished: [{ rule: 'a' }] },
    ],
    [
      'with a figure',
      outcome('blocked', '', 1),
      outcome('blocked', '', 2),
      { figures: { from: { largestBitmapBytes: 1 }, to: { largestBitmapBytes: 2 } } },
    ],
    [
      'with what a rule comes to',
      outcome('blocked', 'a'),
      { ...outcome('blocked', ''), rules: [{ rule: 'a', outcome: 'unknown' as const }] },
      { appeared: [{ rule: 'a', outcome: 'unknown' }], vanished: [{ rule: 'a', outcome: 'fires' }] },
    ],
  ])('%s', (_what, then, now, change) => {
    if (change === null) expect(changeOf(then, now)).toBeNull();
    else expect(changeOf(then, now)).toMatchObject(change);
  });
});

describe('a comparison', () => {
  const comparison = new Comparison();
  const add = (line: number, then: Outcome, now: Outcome, id = 'same', masked?: string[]) =>
    comparison.add({ line, name: `vm${line}` }, logged(then, 'same', masked), now, id);
  for (const line of [1, 2, 3, 4]) add(line, outcome('risky', 'a', 1), outcome('blocked', 'b', 2), 'other');
  add(5, outcome('blocked', 'a'), outcome('blocked', 'a'));
  add(6, outcome('blocked', 'a'), outcome('blocked', 'a'), 'same', ['/ref', '/vm/name']);
  add(7, outcome('blocked', 'a'), outcome('blocked', 'a'), 'other', ['/ref', '/vm/vfio/*/host']);
  comparison.refuse();

  it('tells how many there are of what, with three examples of each', () => {
    const examples = [1, 2, 3].map((line) => ({ line, name: `vm${line}` }));
    const four = { count: 4, examples };
    const none = { count: 0, examples: [] };
    expect(comparison.totals()).toEqual({
      lines: 8,
      same: 3,
      changed: 4,
      errors: 1,
      decisionIds: { same: 2, other: 4, masked: 1 },
      verdicts: [
        { from: 'risky', to: 'blocked', ...four },
        { from: 'blocked', to: 'blocked', count: 3, examples: [5, 6, 7].map((line) => ({ line, name: `vm${line}` })) },
      ],
      rules: [
        { rule: 'b', outcome: 'fires', appeared: four, vanished: none },
        { rule: 'a', outcome: 'fires', appeared: none, vanished: four },
      ],
      figures: four,
    });
  });

  it('reads well', () => {
    expect(comparisonText(comparison.totals())).toBe(`8 lines: 4 change, 3 do not, 1 cannot be decided again
Decisions: 2 with the address that was logged, 4 with another, 1 masked, so that it cannot be told

Verdicts
  risky -> blocked: 4, line 1 (vm1), line 2 (vm2), line 3 (vm3), …
  blocked as before: 3

Rules
  b fires: 4 more, line 1 (vm1), line 2 (vm2), line 3 (vm3), …
  a fires: 4 fewer, line 1 (vm1), line 2 (vm2), line 3 (vm3), …

Figures
  others: 4, line 1 (vm1), line 2 (vm2), line 3 (vm3), …
`);
  });
});

it('names no more rules than there may be, however many a log makes up', () => {
  const comparison = new Comparison();
  const madeUp = (line: number) =>
    Array.from({ length: 1000 }, (_, index) => ({ rule: `${line}-${index}`, outcome: 'fires' as const }));
  for (let line = 1; line <= 6; line++) {
    const then = {
      ...outcome('blocked', 'a'),
      rules: [{ rule: 'x'.repeat(1000), outcome: 'fires' as const }, ...madeUp(line)],
    };
    comparison.add({ line }, logged(then, 'same'), outcome('blocked', 'a'), 'same');
  }
  const { rules, changed } = comparison.totals();
  expect([changed, rules.length, rules.every(({ rule }) => rule.length < 1000)]).toEqual([6, 4096, true]);
});
