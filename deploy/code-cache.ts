import { writeFileSync } from 'node:fs';
import type * as launch from './launch.ts';
import { examples } from '../src/http/examples.ts';

/**
 * Keeps the bytecode of the service as it is once it has answered: V8 compiles a function when it is first called. In a
 * process of its own, of the Node that is to run it, and without source maps: whoever wants those does without bytecode.
 */
process.setSourceMapsEnabled(false);
const built = new URL('../dist/', import.meta.url);
const { bytecode, started } = (await import(new URL('main.js', built).href)) as typeof launch;
const app = await started;
for (const { request } of [...Object.values(examples), { request: {} }]) {
  for (const remedies of [true, false]) {
    await app.inject({
      method: 'POST',
      url: '/v1/evaluations',
      query: { remedies: String(remedies) },
      payload: request,
    });
  }
}
await app.inject('/metrics');
writeFileSync(new URL('service.bytecode', built), bytecode());
await app.close();
process.exit();
