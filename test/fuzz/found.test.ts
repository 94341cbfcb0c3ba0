import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { buildApp } from '../../src/app.ts';
import { readConfig } from '../../src/config.ts';
import type { ProblemBody } from '../../src/http/problems.ts';

const DIRECTORY = 'test/fixtures/fuzz';
const TYPES: Readonly<Record<string, string>> = {
  argv: 'application/x-www-form-urlencoded',
  json: 'application/json',
  xml: 'application/xml',
  yaml: 'application/yaml',
};

const app = await buildApp(readConfig({ HOST_PROFILES: `${DIRECTORY}/hosts.yaml` }));
afterAll(() => app.close());

/** What a fuzzer found, made as small as it shows: what it did, and how it is answered now. */
const FOUND: readonly (readonly [file: string, did: string, status: number, answer: string])[] = [
  ['json-left-open.argv', 'took twice as long for each character more', 400, 'line 1: JSON that is never closed'],
  ['quoted-program.argv', 'was taken for a JSON string', 200, ''],
  ['control-character.xml', 'was read', 400, 'not well-formed XML: Invalid character'],
  ['hyphens-in-comment.xml', 'was read', 400, 'inside a comment'],
  ['end-of-cdata.xml', 'was read', 400, 'CDATA section close delimiter'],
  ['declaration-inside.xml', 'was read', 400, "line 2: not well-formed XML: XML declaration isn't allowed here"],
  ['nameless-attribute.xml', 'was read', 400, 'not well-formed XML: Unclosed start tag'],
  ['binary-tag.yaml', 'had a kind that is no text', 400, 'line 2: the tag tag:yaml.org,2002:binary is not read'],
  ['binary-label.yaml', 'was read without the name', 400, 'line 3: the tag tag:yaml.org,2002:binary is not read'],
  ['devices-no-list.json', 'failed', 400, '/vm/vfio: must be array'],
  ['device-null.json', 'failed', 400, '/vm/vfio/0: must be object'],
  ['device-laid-over-twice.json', 'was answered by its last word', 400, '/vm/vfio/1/id: /vm/vfio/0 is laid over'],
  ['source-no-object.json', 'was answered with what QEMU says', 400, '/source: must be object'],
  ['aperture-of-a-byte.json', 'failed', 200, ''],
  ['limit-of-nothing.json', 'failed', 200, ''],
  ['overlay-of-proto.json', 'was blamed on the document', 400, '/vm/__proto__: no such member'],
];

describe('what a fuzzer found', () => {
  it.each(FOUND)('%s, which %s', async (file, _did, status, expected) => {
    const answer = await app.inject({
      method: 'POST',
      url: '/v1/evaluations?remedies=false',
      payload: readFileSync(`${DIRECTORY}/${file}`),
      headers: { 'content-type': TYPES[file.split('.').at(-1) ?? ''] },
    });
    expect(answer.statusCode, answer.payload).toBe(status);
    if (status === 400) expect(answer.json<ProblemBody>().detail).toContain(expected);
  });

  it('is all listed here', () => {
    const files = readdirSync(DIRECTORY).filter((file) => file !== 'hosts.yaml');
    expect(files.toSorted()).toEqual(FOUND.map(([file]) => file).toSorted());
  });
});
