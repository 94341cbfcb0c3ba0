import { describe, expect, it } from 'vitest';
import { type Finding, isRefusal, type Phase, phaseOf } from '../../src/rules/finding.ts';
import { anyRule } from './any-rule.ts';

const hazard = { trigger: 'guest-unmap' } as const;
const asCalled = { fails: 'migrate-command' } as const;
const asTrackingStarts = { fails: 'tracking-start' } as const;

interface Row {
  readonly name: string;
  readonly effect: Finding['effect'];
  readonly rule?: Partial<Finding['rule']>;
  readonly phase: Phase;
  readonly refuses: boolean;
}

describe('when it comes to pass, and whether it is a refusal whatever the guest does', () => {
  it.each<Row>([
    { name: 'QEMU does not start', effect: 'start-failure', phase: 'start', refuses: true },
    { name: 'QEMU warns', effect: 'warning', phase: 'start', refuses: false },
    { name: 'a blocker', effect: 'blocker', phase: 'migrate-command', refuses: true },
    { name: 'the site refuses', effect: 'site-refusal', phase: 'migrate-command', refuses: true },
    { name: 'the site sees a risk', effect: 'site-risk', phase: 'migrate-command', refuses: false },
    { name: 'migration fails', effect: 'migration-failure', phase: 'mid-migration', refuses: true },
    {
      name: 'migrate fails as it is called',
      effect: 'migration-failure',
      rule: asCalled,
      phase: 'migrate-command',
      refuses: true,
    },
    {
      name: 'tracking does not start',
      effect: 'migration-failure',
      rule: asTrackingStarts,
      phase: 'tracking-start',
      refuses: true,
    },
    {
      name: 'migration fails if the guest unmaps',
      effect: 'migration-failure',
      rule: hazard,
      phase: 'mid-migration',
      refuses: false,
    },
    { name: 'it never ends', effect: 'no-convergence', phase: 'mid-migration', refuses: false },
    { name: 'data is lost', effect: 'data-loss', phase: 'silent', refuses: false },
  ])('$name', ({ effect, rule, phase, refuses }) => {
    const finding = { effect, rule: { ...anyRule, ...rule } };
    expect(phaseOf(finding)).toBe(phase);
    expect(isRefusal(finding)).toBe(refuses);
  });
});
