import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DecisionLog, type DecisionLogSettings } from '../../src/decision-log/decision-log.ts';
import { type LoggedDecision, recordOf } from '../../src/decision-log/logged-decision.ts';
import { check } from '../../src/descriptor/check.ts';
import type { Descriptor } from '../../src/descriptor/schema.ts';
import { evaluate } from '../../src/evaluation/evaluate.ts';
import { Answers, decisionIdOf, filled } from '../../src/http/answers.ts';
import { examples } from '../../src/http/examples.ts';
import { type Item, plainItem } from '../../src/http/item.ts';
import { type Site, SILENT } from '../../src/http/policies.ts';
import { parsePolicy } from '../../src/http/policy-file.ts';
import { itemOf, Replaying } from '../../src/http/replaying.ts';
import { namedSchemas, ref } from '../../src/http/schemas.ts';
import { underSite } from '../../src/http/site-defaults.ts';
import { validators } from '../../src/http/validation.ts';
import { fleet } from '../bench/fleet.ts';

const compile = validators(namedSchemas());
const shapes = {
  isLine: compile({ schema: ref('LoggedDecision') }),
  isDescriptor: compile({ schema: ref('Descriptor') }),
};
const isValid = (descriptor: Descriptor): boolean =>
  shapes.isDescriptor(descriptor) === true && check(descriptor).length === 0;

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'decisions-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

let logs = 0;

/** What a log with `settings` holds once it was told of `records`, by the addresses of their decisions. */
async function logged(
  records: readonly (readonly [decisionId: string, record: string])[],
  settings: Partial<DecisionLogSettings> = {},
): Promise<LoggedDecision[]> {
  const path = join(directory, String(logs++));
  const to = { path, maxBytes: 1 << 30, files: 1 };
  const ignore = (): void => undefined;
  const observer = { written: ignore, dropped: ignore, overflows: ignore, recovered: ignore };
  const log = await DecisionLog.open({ to, share: 1, mask: [], maskKey: 'key', ...settings }, observer);
  const asked = { requestId: 'r', traceId: 't', client: null };
  for (const [decisionId, record] of records) if (log.wants(decisionId)) log.write(asked, decisionId, record);
  await log.close();
  const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1);
  return lines.map((line) => JSON.parse(line) as LoggedDecision);
}

/** What replaying `lines` comes to. */
function replayed(lines: readonly LoggedDecision[], now: Site) {
  const replaying = new Replaying(shapes, now);
  for (const [index, line] of lines.entries()) replaying.add({ number: index + 1, text: JSON.stringify(line) });
  return replaying.totals(true);
}

const site = [...fleet(300)];
const hosts = fc.constantFrom('0000:3b:00.1', '0000:3b:00.2', '"', 'a\tb', '{device}', 'Größe', '10', undefined);
const names = fc.oneof(fc.constantFrom('web1', undefined, 'ü\u2028"\\'), fc.string({ minLength: 1, maxLength: 40 }));
const descriptors = fc
  .record({
    base: fc.constantFrom(...Object.values(examples).map(({ request }) => request), ...site),
    called: names,
    name: names,
    addresses: fc.array(hosts, { minLength: 1, maxLength: 3 }),
    memory: fc.constantFrom('4GiB', 4_294_967_296, '0x100000000', '12TiB'),
    reasons: fc.constantFrom(undefined, [], ['0000:3b:00.1: VFIO migration is not supported in kernel']),
    destination: fc.constantFrom(undefined, { qemu: '10.2.2' }),
  })
  .map(({ base, called, name, addresses, memory, reasons, destination }) => ({
    ...base,
    ref: called,
    destination,
    vm: {
      ...base.vm,
      name,
      memory,
      vfio: addresses.map((host, index) => ({ ...base.vm.vfio[0], id: `dev${index}`, host })),
      ...(reasons && { runtime: { blockedReasons: reasons } }),
    },
  }))
  // As it is read from a request.
  .map((descriptor) => JSON.parse(JSON.stringify(descriptor)) as Descriptor)
  .filter(isValid);

/** What a site with this policy says on the first day of 2026. */
function siteOf(text: string): Site {
  const policy = parsePolicy(text);
  return { policy: policy.at(Date.UTC(2026, 0, 1)), defaults: policy.content.defaults ?? {} };
}

const strict = siteOf(`
version: 1
limits:
  - { figure: largestBitmap, most: 1MiB, verdict: blocked }
`);
const lenient = siteOf(`
version: 1
accept:
  - { trigger: guest-unmap, by: ops, why: drivers are pinned, until: 2030-12-31 }
defaults:
  migration: { guestEvents: [unmap] }
  source: { kernel: "6.12", libvirt: 10.0.0, memlockLimit: unlimited, devices: { "*": { p2p: true } } }
  destination: { kernel: "6.12", iommu: { addressWidth: 48 } }
`);
const sites = fc.constantFrom(SILENT, strict, lenient);
const notes = fc.array(fc.string(), { maxLength: 2 });
const places = fc.subarray(['/source', '/source/qemu', '/source/devices/dev0/protocol', '/vm/memory']);
const items = fc
  .record({ descriptor: descriptors, notes, places })
  .map(({ descriptor, notes: seen, places: said }) => ({
    ...plainItem(descriptor),
    notes: seen,
    site: new Set(said),
  }));

const decide = ({ descriptor, notes: notChecked, site: said, policy }: Item) =>
  evaluate(descriptor as Descriptor, { notChecked, site: said, policy: policy ?? null });

/** What is remembered of the decision on `item`. */
function recordOn(item: Item): readonly [decisionId: string, record: string] {
  const decision = decide(item);
  const { descriptor, notes: notChecked, site: said, defaults } = item;
  return [decision.decisionId, recordOf(decision, descriptor as Descriptor, { notChecked, site: said, defaults })];
}

const PLAIN = { remedies: false, decides: false, includeClear: false };

describe('a logged decision, decided again by the same ruleset and policy', () => {
  it('is the same to the byte, with the same address', async () => {
    await fc.assert(
      fc.asyncProperty(items, sites, async (sent, then) => {
        const item = underSite(sent, then);
        fc.pre(isValid(item.descriptor as Descriptor));
        const lines = await logged([recordOn(item)]);
        const [line] = lines as [LoggedDecision];
        const decision = decide(item);
        expect(line.decisionId).toBe(decision.decisionId);
        expect(JSON.stringify(decide(itemOf(line, then)))).toBe(JSON.stringify(decision));
        expect(replayed(lines, then)).toMatchObject({ same: 1, decisionIds: { same: 1 } });
      }),
      { seed: 8, numRuns: 60 },
    );
  });

  it('and by another policy is what it would have been if that had been in force', async () => {
    await fc.assert(
      fc.asyncProperty(items, sites, sites, async (sent, then, now) => {
        const [before, after] = [underSite(sent, then), underSite(sent, now)];
        fc.pre([before, after].every(({ descriptor }) => isValid(descriptor as Descriptor)));
        const [line] = (await logged([recordOn(before)])) as [LoggedDecision];
        expect(JSON.stringify(decide(itemOf(line, now)))).toBe(JSON.stringify(decide(after)));
      }),
      { seed: 11, numRuns: 60 },
    );
  });

  it('or by none, if it was asked for without', async () => {
    const [descriptor] = site as [Descriptor];
    const [line] = (await logged([recordOn(plainItem(descriptor))])) as [LoggedDecision];
    const totals = [line, { ...line, policy: 'none' as const }].map((each) => replayed([each], strict));
    expect(totals).toMatchObject([{ decisionIds: { other: 1 } }, { decisionIds: { same: 1 } }]);
  });

  it('is so where its answer was kept of a VM that is called otherwise', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(descriptors, { maxLength: 8 }), async (some) => {
        // Each VM again under other names.
        const all = some.flatMap((each) => [each, { ...each, ref: 'again', vm: { ...each.vm, name: 'again' } }]);
        const answers = new Answers(shapes.isDescriptor, true);
        const records = all.map((each) => {
          const answered = answers.of(plainItem(each), PLAIN);
          const { record } = answered.answer;
          if (record === null) throw new Error('the answer has no record');
          return [decisionIdOf(answered), filled(record, answered.names)] as const;
        });
        const lines = await logged(records);
        expect(lines.map(({ input }) => JSON.stringify(input))).toEqual(all.map((each) => JSON.stringify(each)));
        const total = { same: all.length, changed: 0, decisionIds: { same: all.length, other: 0, masked: 0 } };
        expect(replayed(lines, SILENT)).toMatchObject(total);
      }),
      { seed: 9, numRuns: 30 },
    );
  });
});

describe('a logged decision that is masked', () => {
  it('is decided as it was where only names are, and has no address to compare where those bear on it', async () => {
    const patterns = fc.subarray(['/ref', '/vm/name', '/vm/vfio/*/host', '/vm/vfio/*/id'], { minLength: 1 });
    await fc.assert(
      fc.asyncProperty(descriptors, patterns, async (descriptor, mask) => {
        const lines = await logged([recordOn(plainItem(descriptor))], { mask });
        const [{ masked = [] }] = lines as [LoggedDecision];
        const isOfNames = masked.every((pattern) => pattern === '/ref' || pattern === '/vm/name');
        expect(replayed(lines, SILENT)).toMatchObject({
          same: 1,
          decisionIds: isOfNames ? { same: 1, other: 0, masked: 0 } : { same: 0, other: 0, masked: 1 },
        });
      }),
      { seed: 10, numRuns: 50 },
    );
  });
});

describe('a sample', () => {
  const records = site.map((descriptor) => recordOn(plainItem(descriptor)));
  const idsOf = async (share: number): Promise<string[]> =>
    (await logged(records, { share })).map(({ decisionId }) => decisionId);

  it('has about the share of decisions, the same ones each time, and all of a smaller one', async () => {
    const [tenth, again, half] = [await idsOf(0.1), await idsOf(0.1), await idsOf(0.5)];
    expect(again).toEqual(tenth);
    expect(half).toEqual(expect.arrayContaining(tenth));
    expect(tenth.length).toBeGreaterThan(10);
    expect(tenth.length).toBeLessThan(60);
    expect(half.length).toBeGreaterThan(110);
    expect(half.length).toBeLessThan(190);
    expect(await idsOf(1)).toHaveLength(records.length);
  });
});
