import { describe, expect, it } from 'vitest';
import { no } from '../../src/descriptor/fact.ts';
import {
  attainableVerdicts,
  causesOf,
  decidingOf,
  decisive,
  type KnownVerdict,
  settledVerdict,
} from '../../src/evaluation/verdict.ts';
import type { Finding } from '../../src/rules/finding.ts';
import { anyRule } from '../rules/any-rule.ts';

const ifTheGuestUnmaps = { ...anyRule, trigger: 'guest-unmap' } as const;
const ofTheSite = { ...anyRule, layer: 'policy' } as const;

const finding = (outcome: Finding['outcome'], effect: Finding['effect'], more: Partial<Finding> = {}): Finding => ({
  rule: anyRule,
  outcome,
  effect,
  host: 'source',
  device: 'dev0',
  place: '/vm/vfio/0',
  reportedBy: [],
  shadowedBy: undefined,
  messages: {},
  basis: no,
  seen: false,
  once: false,
  inRealize: false,
  late: false,
  lacks: outcome === 'unknown' ? ['/source/qemu'] : [],
  ...more,
});
const fires = (effect: Finding['effect'], more?: Partial<Finding>): Finding => finding('fires', effect, more);
const open = (effect: Finding['effect'], more?: Partial<Finding>): Finding => finding('unknown', effect, more);
const accepted = { by: 'ops', why: 'known', until: '2026-12-31' };

describe('the verdict of findings', () => {
  it.each<{ name: string; findings: Finding[]; settled: KnownVerdict | null; attainable: KnownVerdict[] }>([
    { name: 'none', findings: [], settled: 'allowed', attainable: ['allowed'] },
    { name: 'a warning', findings: [fires('warning')], settled: 'allowed', attainable: ['allowed'] },
    { name: 'a warning that is open', findings: [open('warning')], settled: 'allowed', attainable: ['allowed'] },
    { name: 'a blocker', findings: [fires('blocker')], settled: 'blocked', attainable: ['blocked'] },
    {
      name: 'a refusal keeps a loss from happening, and what is open from mattering',
      findings: [fires('data-loss'), open('data-loss'), fires('start-failure'), open('blocker')],
      settled: 'blocked',
      attainable: ['blocked'],
    },
    {
      name: 'what only a guest makes happen is a risk',
      findings: [fires('migration-failure', { rule: ifTheGuestUnmaps })],
      settled: 'risky',
      attainable: ['risky'],
    },
    {
      name: 'a loss that only a guest makes happen, too',
      findings: [fires('data-loss', { rule: ifTheGuestUnmaps })],
      settled: 'risky',
      attainable: ['risky'],
    },
    { name: 'it never ends', findings: [fires('no-convergence')], settled: 'risky', attainable: ['risky'] },
    { name: 'a loss in silence', findings: [fires('data-loss')], settled: 'unsafe', attainable: ['unsafe'] },
    {
      name: 'the worst of several hazards',
      findings: [fires('no-convergence'), fires('data-loss'), fires('warning')],
      settled: 'unsafe',
      attainable: ['unsafe'],
    },
    { name: 'a blocker that is open', findings: [open('blocker')], settled: null, attainable: ['allowed', 'blocked'] },
    {
      name: 'a blocker that is open beside a risk',
      findings: [open('blocker'), fires('no-convergence')],
      settled: null,
      attainable: ['risky', 'blocked'],
    },
    {
      name: 'a risk that is open beside another: it makes nothing worse',
      findings: [open('no-convergence'), fires('no-convergence')],
      settled: 'risky',
      attainable: ['risky'],
    },
    {
      name: 'a risk that is open beside a loss',
      findings: [open('no-convergence'), fires('data-loss')],
      settled: 'unsafe',
      attainable: ['unsafe'],
    },
    {
      name: 'a loss that is open beside a risk',
      findings: [fires('no-convergence'), open('data-loss')],
      settled: null,
      attainable: ['risky', 'unsafe'],
    },
    {
      name: 'a blocker that is open beside a loss, which nobody can say is worse',
      findings: [open('blocker'), fires('data-loss')],
      settled: null,
      attainable: ['blocked', 'unsafe'],
    },
    {
      name: 'a limit of the site that may be passed in part',
      findings: [open('site-refusal')],
      settled: null,
      attainable: ['allowed', 'risky', 'blocked'],
    },
    {
      name: 'what the site accepts, open or not',
      findings: [fires('data-loss', { accepted }), open('data-loss', { accepted })],
      settled: 'allowed',
      attainable: ['allowed'],
    },
    {
      name: 'what QEMU denies, and what it reports',
      findings: [finding('contradicted', 'start-failure'), finding('contradicted', 'blocker', { seen: true })],
      settled: 'blocked',
      attainable: ['blocked'],
    },
  ])('$name', ({ findings, settled, attainable }) => {
    expect(settledVerdict(findings)).toBe(settled);
    expect(attainableVerdicts(findings)).toEqual(new Set(attainable));
  });
});

describe('what decides whether a verdict can come', () => {
  const [blocker, loss, risk] = [open('blocker'), open('data-loss'), open('no-convergence')];
  it.each<{ name: string; findings: Finding[]; wanted: KnownVerdict[]; deciding: Finding[] }>([
    { name: 'a loss: what would be one', findings: [blocker, loss, risk], wanted: ['unsafe'], deciding: [loss] },
    { name: 'one of two', findings: [blocker, loss, risk], wanted: ['risky', 'unsafe'], deciding: [loss, risk] },
    {
      name: 'no refusal: everything that is open',
      findings: [blocker, loss, fires('warning')],
      wanted: ['allowed'],
      deciding: [blocker, loss],
    },
    {
      name: 'a risk that is there unless it is refused',
      findings: [fires('no-convergence'), blocker, risk],
      wanted: ['risky'],
      deciding: [blocker, risk],
    },
    {
      name: 'a limit of the site may refuse or warn',
      findings: [open('site-refusal'), blocker],
      wanted: ['risky'],
      deciding: [open('site-refusal')],
    },
  ])('$name', ({ findings, wanted, deciding }) => {
    expect(decidingOf(findings, wanted)).toEqual(deciding);
  });
});

describe('what a verdict rests on', () => {
  it.each<{ name: string; findings: Finding[]; verdict: KnownVerdict; rests: number[]; because: string[] }>([
    { name: 'nothing, if it is allowed', findings: [fires('warning')], verdict: 'allowed', rests: [], because: [] },
    {
      name: 'refusals, but for those behind another',
      findings: [fires('blocker'), fires('start-failure', { shadowedBy: 'other' }), fires('data-loss')],
      verdict: 'blocked',
      rests: [0],
      because: ['blocker'],
    },
    {
      name: 'one of those that are open, where none fires',
      findings: [open('blocker'), fires('warning'), open('migration-failure')],
      verdict: 'blocked',
      rests: [0, 2],
      because: ['blocker', 'migration-failure'],
    },
    {
      name: 'what is open, where all that fires is behind it',
      findings: [fires('blocker', { shadowedBy: 'other' }), open('blocker')],
      verdict: 'blocked',
      rests: [1],
      because: ['blocker'],
    },
    {
      name: 'each cause once, in their order',
      findings: [
        fires('no-convergence'),
        fires('migration-failure', { rule: ifTheGuestUnmaps }),
        fires('data-loss', { rule: ifTheGuestUnmaps }),
      ],
      verdict: 'risky',
      rests: [0, 1, 2],
      because: ['guest-event', 'no-convergence'],
    },
    {
      name: 'the site, whatever its rule is about',
      findings: [fires('site-refusal', { rule: ofTheSite })],
      verdict: 'blocked',
      rests: [0],
      because: ['site-policy'],
    },
  ])('$name', ({ findings, verdict, rests, because }) => {
    const deciding = decisive(findings, verdict);
    expect(deciding).toEqual(rests.map((index) => findings[index]));
    expect(causesOf(deciding)).toEqual(because);
  });
});
