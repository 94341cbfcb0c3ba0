import { setTimeout as sleep } from 'node:timers/promises';
import closeWithGrace from 'close-with-grace';
import type { FastifyInstance } from 'fastify';
import pino from 'pino';
import { buildApp } from './app.ts';
import { type Config, readConfig, securityOf } from './config.ts';
import { warningsOf } from './http/secured.ts';

/** Connections that wait to be accepted while a turn of the loop lasts; the system has its own limit (somaxconn). */
const BACKLOG = 4096;

/** The service, as soon as it listens. */
export const started = start();

async function start(): Promise<FastifyInstance> {
  const config = configured();
  // Two that write to one pipe would write into each other's lines.
  const log = pino({ level: config.logLevel }, pino.destination(config.decisionLog === 'stdout' ? 2 : 1));
  for (const warning of warningsOf(config.host, securityOf(config))) log.warn(warning);
  const app = await buildApp(config, log).catch((err: unknown) => {
    log.fatal({ err }, 'cannot start');
    process.exit(1);
  });

  // Readiness fails first, so that balancers look elsewhere while requests are still answered.
  closeWithGrace({ delay: config.shutdownMs, logger: log, skip: ['SIGHUP'] }, async ({ signal, err }) => {
    if (err) log.fatal({ err }, 'stopping after an error');
    else log.info({ signal }, 'stopping');
    app.lifecycle.draining = true;
    if (signal) await sleep(config.drainMs);
    await app.close();
  });

  process.on('SIGHUP', () => void app.reload());

  await app.listen({ host: config.host, port: config.port, backlog: BACKLOG });
  await app.operations?.listen({
    host: config.operationsHost,
    port: config.operationsPort ?? 0,
    listenTextResolver: (address) => `Operations at ${address}`,
  });
  return app;
}

/** What the environment asks for; a wrong variable is named in one line. */
function configured(): Config {
  try {
    return readConfig(process.env);
  } catch (error) {
    console.error((error as Error).message);
    process.exit(1);
  }
}
