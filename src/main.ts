import { setTimeout as sleep } from 'node:timers/promises';
import closeWithGrace from 'close-with-grace';
import pino from 'pino';
import { buildApp } from './app.ts';
import { type Config, readConfig } from './config.ts';

const config = configured();
const log = pino({ level: config.logLevel });
const app = await buildApp(config, log);

// Readiness fails first, so that balancers look elsewhere while requests are still answered.
closeWithGrace({ delay: config.shutdownMs, logger: log }, async ({ signal, err }) => {
  if (err) log.fatal({ err }, 'stopping after an error');
  else log.info({ signal }, 'stopping');
  app.lifecycle.draining = true;
  if (signal) await sleep(config.drainMs);
  await app.close();
});

await app.listen({ host: config.host, port: config.port });

/** What the environment asks for; a wrong variable is named in one line. */
function configured(): Config {
  try {
    return readConfig(process.env);
  } catch (error) {
    console.error((error as Error).message);
    process.exit(1);
  }
}
