import { afterAll, describe, expect, it } from 'vitest';
import { ENTRANCES, type Entrance, type Input, inputOf } from './inputs.ts';
import { type Answered, Judge, Service } from './judge.ts';

/** The bench goes on from here. */
const INPUTS = 20_000;
/** Of so many inputs one is sent over HTTP. */
const HTTP_EACH = 8;

const service = await Service.start();
const judge = new Judge();
afterAll(() => service.stop());

async function faultOf(input: Input): Promise<string | null> {
  try {
    const answered = input.seed % HTTP_EACH === 0 ? await service.ask(input) : await service.answer(input);
    return judge.fault(input, answered);
  } catch (error) {
    return `threw ${(error as Error).stack}`;
  }
}

describe('whatever is sent', () => {
  const reached = new Set<Entrance>();

  it.each(Array.from({ length: 10 }, (_, part) => [(part * INPUTS) / 10, ((part + 1) * INPUTS) / 10 - 1] as const))(
    'is answered rightly: inputs %i to %i',
    async (first, last) => {
      const wrong: string[] = [];
      for (let seed = first; seed <= last; seed++) {
        const input = inputOf(seed);
        reached.add(input.entrance);
        const fault = await faultOf(input);
        if (fault !== null) wrong.push(`inputOf(${seed}) at ${input.entrance}: ${fault}`);
      }
      expect(wrong).toEqual([]);
    },
  );

  it('comes in everywhere', () => {
    expect([...reached].toSorted()).toEqual(ENTRANCES.toSorted());
  });
});

describe('an input', () => {
  it('is the same for the same seed, and another for the next', () => {
    for (let seed = 0; seed < 50; seed++) expect(inputOf(seed)).toEqual(inputOf(seed));
    const bytes = Array.from({ length: 200 }, (_, seed) => inputOf(seed).bytes.toString('base64'));
    expect(new Set(bytes).size).toBeGreaterThan(150);
  });

  it.each(ENTRANCES)('of %s is read at times, and at times refused', async (entrance) => {
    const count = entrance === 'host-profiles' ? 20 : 100;
    const statuses: number[] = [];
    for (let seed = 0; seed < count; seed++) {
      statuses.push((await service.answer({ ...inputOf(seed, entrance), query: '' })).status);
    }
    const read = statuses.filter((status) => status === 200).length;
    expect(read).toBeGreaterThan(count / 10);
    // A stream is answered, and its lines are refused.
    if (entrance !== 'batch' && entrance !== 'replays') expect(read).toBeLessThan(count * 0.9);
  });
});

describe('an answer is wrong', () => {
  const input = (entrance: Entrance, text: string, type: string, more: Partial<Input> = {}): Input => ({
    ...inputOf(0),
    entrance,
    bytes: Buffer.from(text),
    type,
    query: '',
    isImport: false,
    isSearched: false,
    isBroken: false,
    ...more,
  });
  const answer = (status: number, body: unknown, type = 'application/json'): Answered => ({
    status,
    type,
    text: JSON.stringify(body),
  });
  const problem = (errors: readonly object[], status = 400): Answered =>
    answer(
      status,
      { type: 'urn:invalid-request', title: '', status, detail: '', instance: '', traceId: '', errors },
      'application/problem+json',
    );
  const json = input('descriptor', '{"vm":{"memory":0}}', 'application/json');
  it.each<[what: string, input: Input, answered: Answered, fault: string]>([
    ['that says the service failed', json, answer(500, {}), 'answered with 500'],
    ['without a known shape', json, answer(400, {}, 'application/problem+json'), 'no Problem'],
    ['without a place', json, problem([]), 'a problem without a place'],
    ['with a place that is none', json, problem([{ pointer: 'vm', detail: '' }]), 'vm is no JSON Pointer'],
    [
      'with a place that is not there',
      json,
      problem([{ pointer: '/vm/vfio/0/id', detail: '' }]),
      '/vm/vfio/0/id leads nowhere',
    ],
    ['with a line that is not there', json, problem([{ line: 2, detail: '' }]), 'line 2 of 1'],
    ['to what is no JSON', input('descriptor', '{', 'application/json'), answer(200, {}), 'answered what is no JSON'],
    ['to what is no descriptor', json, answer(200, {}), 'answered what is no Descriptor'],
    ['to XML that is none', input('libvirt-xml', '<a>&b;</a>', 'application/xml'), answer(200, {}), 'not well-formed'],
    [
      'to XML with a document type',
      input('libvirt-xml', '<!DOCTYPE a><a/>', 'text/xml'),
      answer(200, {}),
      'a document type',
    ],
    [
      'to what was broken',
      input('qemu-argv', "'", 'text/x-qemu-argv', { isBroken: true }),
      answer(200, {}),
      'made to be unreadable',
    ],
    ['of another shape', input('qemu-argv', 'x', 'text/x-qemu-argv'), answer(200, { verdict: 'fine' }), 'no Decision'],
    [
      'without totals',
      input('batch', '{}', 'application/x-ndjson'),
      answer(200, {}, 'application/x-ndjson'),
      'no BatchTotals',
    ],
  ])('%s', (_what, sent, answered, fault) => {
    expect(judge.fault(sent, answered)).toContain(fault);
  });
});
