import { existsSync, readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseVersion } from '../../src/platform/version.ts';
import { qemuBehaviours } from '../../src/platform/qemu.ts';
import { logRules, rules } from '../../src/rules/index.ts';
import { casesOf } from '../../src/rules/rule.ts';
import { behaviourValues } from '../../src/simulator/index.ts';

const source = new URL('../../src/rules/', import.meta.url);

/** Files of the folder that are not a rule. */
const MACHINERY = [
  'change.ts',
  'contradictions.ts',
  'finding.ts',
  'index.ts',
  'judge.ts',
  'plan.ts',
  'recognise.ts',
  'rule.ts',
  'shadows.ts',
  'vfio-save-prepare.ts',
  'viommu.ts',
  'words.ts',
];

describe('the catalogue', () => {
  it('lists every rule file, once', () => {
    const files = readdirSync(source).filter((file) => !MACHINERY.includes(file));
    expect([...rules, ...logRules].map(({ id }) => `${id}.ts`).toSorted()).toEqual(files.toSorted());
  });

  it('keeps the ids that are URLs and metric labels', () => {
    expect(rules.map(({ id }) => id)).toEqual(
      expect.arrayContaining(['vfio-protocol-v1', 'vfio-ram-limit', 'vfio-viommu', 'vfio-unmap']),
    );
    for (const { id } of rules) expect(id).toMatch(/^[a-z0-9]+(?:-[a-z0-9]+)+$/);
  });

  it.each(rules)(
    '$id says why, has sources, a table of tests and a way out',
    ({ id, source: { read }, liftedBy, title, why }) => {
      expect(existsSync(new URL(`${id}.test.ts`, import.meta.url))).toBe(true);
      expect(read.length).toBeGreaterThan(0);
      expect(liftedBy.length).toBeGreaterThan(0);
      expect(title).not.toMatch(/\.$/);
      expect(why).toMatch(/^\S.+\.$/);
    },
  );

  it.each(rules.filter((rule) => rule.behaviour !== undefined))(
    '$id is keyed by values that its behaviour has',
    (rule) => {
      expect(rule.behaviour && behaviourValues[rule.behaviour]).toEqual(
        expect.arrayContaining(Object.keys(casesOf(rule))),
      );
    },
  );

  it('evaluates vfio_migration_realize in QEMU’s order', () => {
    const realize = [
      'vfio-migration-disabled',
      'vfio-no-migration-support',
      'vfio-migration-init',
      'vfio-ram-limit',
      'vfio-dirty-tracking',
      'vfio-p2p',
      'vfio-viommu',
    ];
    expect(rules.map(({ id }) => id).filter((id) => realize.includes(id))).toEqual(realize);
  });

  it('names no version: those stand in the platform tables', () => {
    for (const rule of rules) {
      for (const each of Object.values(casesOf(rule))) {
        for (const text of [rule.title, rule.why, each?.message ?? ''])
          expect(text, rule.id).not.toMatch(/\b\d+\.\d+\b/);
      }
    }
  });
});

describe('every release that is known', () => {
  it.each(['7.2', '8.0', '8.1', '8.2', '9.0', '9.1', '9.2', '10.0', '10.1', '10.2', '11.0', '11.1'])(
    '%s has a value for every behaviour',
    (release) => {
      const version = parseVersion(release);
      if (!version) throw new Error(release);
      for (const name of Object.keys(behaviourValues) as (keyof typeof behaviourValues)[]) {
        expect(behaviourValues[name]).toContain(qemuBehaviours(version)?.[name]);
      }
    },
  );
});
