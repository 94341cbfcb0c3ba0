import { describe, expect, it } from 'vitest';
import type { Placements } from '../../src/evaluation/placements-schema.ts';
import { placementsText } from '../../src/report/placements-text.ts';
import { inColour } from '../../src/report/terminal.ts';

const group = (
  verdict: Placements['groups'][number]['verdict'],
  summary: string,
  candidates: Placements['groups'][number]['candidates'],
): Placements['groups'][number] => ({
  verdict,
  because: [],
  confidence: 'confirmed',
  summary,
  candidates,
  findings: [],
});

const placed: Placements = {
  ref: 'web1',
  ruleset: 'any',
  groups: [
    group('allowed', 'Nothing that was checked refuses this migration.', [{ index: 3, ref: 'node3' }]),
    group('blocked', 'QEMU refuses: The tea is cold: "0000:3b:00.1: cold".', [
      { index: 0, ref: 'node1' },
      { index: 1 },
      { index: 4, ref: 'a-name-that-is-longer-than-most.example.org' },
    ]),
  ],
  findings: [],
  invalid: [{ index: 2, ref: 'node2', errors: [{ pointer: '/candidates/2/host/qemu', detail: 'no version' }] }],
  assumptions: ['/destination/memory bounds what one allocation of QEMU may have'],
};

describe('placementsText', () => {
  it('is a table, best first', () => {
    expect(placementsText(placed)).toBe(`web1: 1 allowed, 3 blocked, 1 invalid

allowed  node3                     Nothing that was checked refuses this
                                   migration.
blocked  node1                     QEMU refuses: The tea is cold: "0000:3b:00.1:
                                   cold".
blocked  #1                        as node1
blocked  a-name-that-is-longer-than-most.example.org
                                   as node1
invalid  node2                     /candidates/2/host/qemu no version

Assumed

  - /destination/memory bounds what one allocation of QEMU may have
`);
  });

  it('is as narrow as its names', () => {
    const { ref: _, ...anonymous } = placed;
    const groups = [group('risky', 'The tea may get cold.', [{ index: 0, ref: 'n1' }])];
    expect(placementsText({ ...anonymous, groups, invalid: [], assumptions: [] })).toBe(`1 risky

risky    n1  The tea may get cold.
`);
  });

  it('has each verdict in its colour', () => {
    const lines = placementsText(placed, inColour).split('\n');
    expect(lines[2]?.startsWith('\u001B[32mallowed\u001B[0m  node3')).toBe(true);
    expect(lines[4]?.startsWith('\u001B[31mblocked\u001B[0m  node1')).toBe(true);
  });
});
