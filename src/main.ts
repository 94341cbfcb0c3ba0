import { setTimeout as sleep } from 'node:timers/promises';
import closeWithGrace from 'close-with-grace';
import pino from 'pino';
import { buildApp } from './app.ts';
import { readConfig } from './config.ts';

const config = readConfig(process.env);
const log = pino({ level: config.logLevel });
const app = await buildApp(config, log);

// Readiness fails first, so that balancers look elsewhere while requests are still answered.
closeWithGrace({ delay: config.shutdownMs, logger: log }, async ({ signal, err }) => {
  if (err) log.fatal({ err }, 'stopping after an error');
  else log.info({ signal }, 'stopping');
  app.lifecycle.draining = true;
  await sleep(config.drainMs);
  await app.close();
});

await app.listen({ host: config.host, port: config.port });
