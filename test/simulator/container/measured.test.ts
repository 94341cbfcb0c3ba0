import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { measured } from '../../conformance/formats/measured.ts';

const fixture = readFileSync(new URL('../../fixtures/kernel-cases/measured.json.gz', import.meta.url));

test('6.1.192 and 7.1.8 answered 1162 ioctls as the containers do; the other 139 cannot be replayed', () => {
  const outcomes: Record<string, number> = {};
  for (const verdict of measured.replay(JSON.parse(gunzipSync(fixture).toString()))) {
    const outcome = typeof verdict === 'object' ? verdict.skipped : String(verdict);
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
  }
  expect(outcomes).toEqual({
    true: 1162,
    'category info': 81,
    'what was mapped or written before is neither recorded nor stated': 37,
    'no call of a container that maps, unmaps or tracks': 15,
    'lets the kernel choose the IOVA': 4,
    'the arguments of the call are not recorded, or not in terms that are known': 2,
  });
});
