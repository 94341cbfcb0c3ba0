import { describe, expect, it } from 'vitest';
import { type RuleDoc, ruleDocOf, ruleSummaries } from '../../src/report/catalogue.ts';
import { recognisedText, rulesText, ruleText } from '../../src/report/catalogue-text.ts';

/** A rule's page that has everything. */
const page: RuleDoc = {
  id: 'tea-cold',
  link: '/v1/rules/tea-cold',
  title: 'The tea is cold',
  subject: 'tea',
  layer: 'kernel',
  effect: { auto: 'blocker', on: 'start-failure' },
  when: { auto: 'migrate-command', on: 'start' },
  trigger: 'reset',
  versions: [{ since: '8.1', until: '10.0' }, { since: '11.1' }],
  liftedBy: ['other-driver', 'less-memory'],
  changes: [
    { id: 'other-driver', effort: 'vm-restart', how: 'another pot', cost: 'The guest waits.' },
    { id: 'less-memory', effort: 'guest-visible-change', how: 'a smaller {cup}' },
  ],
  why: 'Tea loses heat. Nobody drinks it then.',
  behaviour: 'protocol',
  messages: [
    { value: 'v1', versions: { since: '8.1', until: '10.0' }, message: 'cold: {cup}' },
    { value: 'v2', versions: { since: '11.1' }, message: 'cold: {cup}' },
    { value: 'v3', versions: null, message: null },
    {
      versions: { since: '7.2' },
      message: 'iced',
      migrateMessage: 'iced tea',
      onlyMigratableMessage: 'no ice allowed',
    },
  ],
  wordings: ['tepid'],
  confidence: 'inferred',
  sources: ['1234, 8.1', 'a cup'],
};

describe('ruleText', () => {
  it('is a page that a human reads', () => {
    expect(ruleText(page)).toBe(`tea-cold: The tea is cold

Tea loses heat. Nobody drinks it then.

Who refuses: kernel
Effect: blocker, with enable-migration=on start-failure
Needs: reset
When: migrate-command, with enable-migration=on start
Can fire in: QEMU 8.1 to 9.2, 11.1 and later
Lifted by:
  other-driver (vm-restart): another pot
    The guest waits.
  less-memory (guest-visible-change): a smaller {cup}

Goes by: protocol, which a host may override

What QEMU says:
  cold: {cup}
    said by QEMU 8.1 to 9.2 (v1)
    said by QEMU 11.1 and later (v2)
  (nothing)
    said by a patched QEMU (v3)
  iced
    as the error of migrate: iced tea
    with -only-migratable: no ice allowed
    said by QEMU 7.2 and later

Also in logs:
  tepid

Rests on (inferred): 1234, 8.1; a cup
`);
  });

  it.each(ruleSummaries)('$id has a page', ({ id, title }) => {
    const text = ruleText(ruleDocOf(id) as RuleDoc);
    expect(text.startsWith(`${id}: ${title}\n`)).toBe(true);
    expect(text).not.toMatch(/undefined|null|\[object/);
  });
});

describe('rulesText', () => {
  it('has a line a rule', () => {
    expect(rulesText([page, { ...page, id: 'tea', versions: [] }])).toBe(
      `tea-cold  The tea is cold (blocker, with enable-migration=on start-failure; QEMU 8.1 to 9.2, 11.1 and later)
tea       The tea is cold (blocker, with enable-migration=on start-failure; a patched QEMU only)
`,
    );
  });
});

describe('recognisedText', () => {
  it('says what the line says, why, and what lifts it', () => {
    const matches = [
      {
        template: 'cold: {cup}',
        parameters: { cup: 'the blue one' },
        said: [{ value: 'v1', versions: { since: '8.1', until: '10.0' } }],
      },
      { template: 'tepid', parameters: {}, said: [] },
    ];
    const changes = page.changes.slice(1);
    expect(recognisedText([{ ...page, matches, changes }])).toBe(`tea-cold: The tea is cold
  cold: {cup}
    cup: the blue one
    said by QEMU 8.1 to 9.2 (v1)
  tepid
  Tea loses heat. Nobody drinks it then.
  Who refuses: kernel
  Effect: blocker, with enable-migration=on start-failure
  Needs: reset
  When: migrate-command, with enable-migration=on start
  Can fire in: QEMU 8.1 to 9.2, 11.1 and later
  Lifted by:
    less-memory (guest-visible-change): a smaller {cup}
  More: /v1/rules/tea-cold
`);
  });

  it('says that nothing was recognised', () => {
    expect(recognisedText([])).toBe('No rule has words of this line.\n');
  });
});
