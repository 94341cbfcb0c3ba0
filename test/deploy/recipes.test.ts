import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildApp } from '../../src/app.ts';
import { readConfig } from '../../src/config.ts';
import { exampleXml } from '../../src/http/examples.ts';
import { FakeHost, isHere } from './fake-host.ts';

const run = promisify(execFile);

const app = await buildApp(readConfig({ LOG_LEVEL: 'silent' }));
let address = '';
beforeAll(async () => {
  address = await app.listen({ host: '127.0.0.1', port: 0 });
});
afterAll(() => app.close());

describe.skipIf(!isHere('python3'))('the Nova filter', () => {
  it('keeps live migrations from hosts that would refuse them', async () => {
    const { stderr } = await run('python3', ['-B', '-W', 'error', 'test/deploy/nova_filter_test.py'], {
      env: { ...process.env, PREFLIGHT: address },
    });
    expect(stderr).toMatch(/^OK$/m);
  });
});

const canBatch = app.hasRoute({ method: 'POST', url: '/v1/evaluations/batch' });
if (!canBatch) console.warn('There is no /v1/evaluations/batch yet: libvirt-fleet.sh is NOT TESTED.');

describe.skipIf(!canBatch || !isHere('jq') || !isHere('curl'))('libvirt-fleet.sh', () => {
  /** Two VMs, and one that goes away before its XML is read. */
  const fleet = (): FakeHost =>
    new FakeHost().file('web1.xml', exampleXml).command(
      'virsh',
      `case "$*" in
'-r -c '*' list --all --name') printf 'web1\\ngone\\nweb "2"\\n\\n' ;;
*' dumpxml gone') echo 'error: failed to get domain' >&2; exit 1 ;;
*' dumpxml web1') cat "$HOST_FACTS_ROOT/web1.xml" ;;
*' dumpxml web "2"') sed '/<hostdev/,/<\\/hostdev>/d; /<iommu/d' "$HOST_FACTS_ROOT/web1.xml" ;;
*) exit 2 ;;
esac`,
    );

  it('prints a line for each VM, and the totals', async () => {
    using host = fleet();
    const { stdout } = await run('sh', ['deploy/recipes/libvirt-fleet.sh'], {
      env: { ...host.env, PREFLIGHT: address },
    });
    const lines = stdout.trimEnd().split('\n');
    expect(lines).toHaveLength(3);
    expect(lines[0]).toMatch(/^(?:blocked|unknown)\tweb1 at qemu:\/\/\/system\t\S/);
    expect(lines[1]).toBe('allowed\tweb "2" at qemu:///system\tNothing that was checked refuses this migration.');
    expect(JSON.parse(lines[2] ?? '')).toEqual(expect.any(Object));
  });

  it('takes several hosts', async () => {
    using host = fleet();
    const uris = ['qemu+ssh://node1/system', 'qemu+ssh://node2/system'];
    const { stdout } = await run('sh', ['deploy/recipes/libvirt-fleet.sh', ...uris], {
      env: { ...host.env, PREFLIGHT: address },
    });
    expect(stdout.match(/^\w+\t.*(?=\t)/gm)?.map((line) => line.split(' at ')[1])).toEqual([
      uris[0],
      uris[0],
      uris[1],
      uris[1],
    ]);
  });
});
