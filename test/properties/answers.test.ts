import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { check } from '../../src/descriptor/check.ts';
import type { Descriptor } from '../../src/descriptor/schema.ts';
import { evaluate } from '../../src/evaluation/evaluate.ts';
import { Answers } from '../../src/http/answers.ts';
import { BatchAnswers, lineFrame } from '../../src/http/batch-answers.ts';
import { examples } from '../../src/http/examples.ts';
import { plainItem } from '../../src/http/item.ts';
import { SILENT } from '../../src/http/policies.ts';
import { namedSchemas, ref } from '../../src/http/schemas.ts';
import { validators } from '../../src/http/validation.ts';
import { fleet } from '../bench/fleet.ts';

const isValid = validators(namedSchemas())({ schema: ref('Descriptor') });
const ignore = (): void => undefined;
const metrics = { observeEvaluation: ignore, observeFigures: ignore, observeAgreement: ignore, observeBatch: ignore };

/** What a batch answers to `lines`, but for the totals. */
function answered(answers: Answers, lines: readonly string[]): string[] {
  const judges = {
    answers,
    profiles: new Map(),
    site: SILENT,
    metrics,
    decisionLog: null,
    failed: (error: unknown) => {
      throw error;
    },
  };
  const query = { only: null, summary: false, remedies: false };
  const batch = new BatchAnswers(judges, query, lineFrame, { requestId: '', traceId: '', client: null });
  for (const [index, json] of lines.entries()) {
    const item = plainItem(JSON.parse(json));
    batch.add({ place: { line: index + 1 }, json, read: () => [item], ref: () => undefined });
  }
  return batch.end(true).toString().split('\n').slice(0, -2);
}

/** What is answered to `descriptor` alone. */
function alone(line: number, descriptor: Descriptor): string {
  const { ref: own, ...decision } = evaluate(descriptor, { decides: false });
  const { name } = descriptor.vm;
  return JSON.stringify({
    line,
    ...(own !== undefined && { ref: own }),
    ...(name !== undefined && { name }),
    ...decision,
  });
}

const PLAIN = { remedies: false, decides: false, includeClear: false };

describe('what was answered of VMs that are called otherwise is what would have been answered of this one', () => {
  it('in a fleet', () => {
    const site = [...fleet(200), ...fleet(200), ...fleet(200)];
    const lines = answered(
      new Answers(isValid),
      site.map((each) => JSON.stringify(each)),
    );
    expect(lines).toEqual(site.map((each, index) => alone(index + 1, each)));
  });

  const hosts = fc.oneof(
    fc.constantFrom('0000:3b:00.1', '0000:3b:00.2', '0000:AF:1f.7', '83b8f4f2-509f-382f-3c1e-e6bfe0fa1001'),
    fc.constantFrom('1KiB', '0x10', '', 'on', '{device}', '"', 'a\tb', '\u00910\u0092', undefined, 7),
  );
  const names = fc.oneof(fc.constantFrom('', 'web1', '\u00910\u0092', undefined, null, 'x'.repeat(257)), fc.string());
  const bases = Object.values(examples).map(({ request }) => request);
  const vms = fc
    .record({
      base: fc.constantFrom(...bases),
      ref: names,
      name: names,
      hosts: fc.array(hosts, { minLength: 1, maxLength: 3 }),
      reasons: fc.constantFrom(
        undefined,
        [],
        ['0000:3b:00.1: Migration is currently not supported with vIOMMU enabled'],
      ),
    })
    .map(({ base, ref: called, name, hosts: addresses, reasons }) => ({
      ...base,
      ref: called,
      vm: {
        ...base.vm,
        name,
        vfio: addresses.map((host, index) => ({ ...base.vm.vfio[0], id: `dev${index}`, host })),
        ...(reasons && { runtime: { blockedReasons: reasons } }),
      },
    }));

  it('whatever they are called, and what is not valid is refused', () => {
    fc.assert(
      fc.property(fc.array(vms, { maxLength: 12 }), (some) => {
        // What comes a first time is judged, a second time kept, a third time known.
        const site = [...some, ...some, ...some];
        const texts = site.map((each) => JSON.stringify(each));
        const lines = answered(new Answers(isValid), texts);
        for (const [index, text] of texts.entries()) {
          const descriptor = JSON.parse(text) as Descriptor;
          const line = lines[index] as string;
          const refused = isValid(descriptor) !== true || check(descriptor).length > 0;
          if (refused) expect(JSON.parse(line)).toMatchObject({ line: index + 1, status: 400 });
          else expect(line).toBe(alone(index + 1, descriptor));
        }
      }),
      { seed: 5, numRuns: 60 },
    );
  });
});

describe('what looks as what was asked before, but for names, is answered as what it is', () => {
  const text = (begin: string, vfio: string): string =>
    `{${begin}"memory":"4GiB","vfio":[${vfio}]},"source":{"qemu":"11.1.0","kernel":"6.12"},"migration":{"mode":"normal"}}`;

  it.each<[string, (ref: string, name: string) => string]>([
    ['a member twice, once escaped', (a) => text(String.raw`"ref":"${a}","\u0072ef":"x","vm":{`, '{}')],
    ['a member twice, once with a blank behind it', (a) => text(`"ref":"${a}","ref" : "x","vm":{`, '{}')],
    ['the VM twice', (a, b) => text(`"vm":{},"ref":"${a}","vm":{"name":"${b}",`, '')],
    ['a host twice', (a) => text('"vm":{', String.raw`{"host":"0000:3b:00.${a.length}","\u0068ost":"0000:3b:00.1"}`)],
    ['an empty ref with a blank behind it', () => text('"ref" : "","vm":{', '{}')],
  ])('%s', (_what, textOf) => {
    const texts = [textOf('x', 'x'), textOf('x', 'x'), textOf('x', 'x'), textOf('yy', 'z')];
    expect(answered(new Answers(isValid), texts)).toEqual(
      texts.map((each, index) => alone(index + 1, JSON.parse(each) as Descriptor)),
    );
  });
});

describe('answers are kept of what is asked for again', () => {
  const [vm] = [...fleet(1)] as [Descriptor];
  const called = (host: string): string =>
    JSON.stringify({ ...vm, vm: { ...vm.vm, vfio: [{ ...vm.vm.vfio[0], host }] } });
  const isNew = (answers: Answers, json: string): boolean => answers.of(plainItem(JSON.parse(json)), PLAIN).isNew;

  it('for VMs that are called otherwise, and for no others', () => {
    const answers = new Answers(isValid);
    const asked = ['1', '2', '3'].map((fn) => called(`0000:3b:00.${fn}`));
    const other = called('0000:3b:00.3').replace('running', 'planned');
    expect([...asked, other].map((json) => isNew(answers, json))).toEqual([true, true, false, true]);
  });

  it('apart from those that were asked for with remedies', () => {
    const answers = new Answers(isValid);
    const item = plainItem(JSON.parse(called('0000:3b:00.1')));
    const other = { ...PLAIN, remedies: true };
    const areNew = [PLAIN, other, PLAIN, other, PLAIN, other].map((wish) => answers.of(item, wish).isNew);
    expect(areNew).toEqual([true, true, true, true, false, false]);
  });
});
