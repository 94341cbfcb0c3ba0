import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';

const MAIN = 'dist/main.js';

/** A process of the built service, or of another that says like it where it listens. */
export interface Service {
  /** What it has printed so far, line by line. */
  readonly said: readonly string[];
  /** Where it listens, by its own log; rejected with what it said if it stops before. */
  readonly address: Promise<string>;
  /** Its exit code, once it has stopped. */
  readonly exit: Promise<number | null>;
  readonly pid: number;
  readonly stop: () => void;
  /** Has it read its files anew. */
  readonly hangUp: () => void;
}

/** What the environment of a process holds; undefined: not there. */
type Environment = Readonly<NodeJS.ProcessEnv>;

/** Starts the built service with `env` for its whole environment. */
export function start(env: Environment): Service {
  if (!existsSync(MAIN)) throw new Error(`there is no ${MAIN}: npm run build`);
  return run(process.execPath, [MAIN], env);
}

/** Starts `command` with `env` for its whole environment. */
export function run(command: string, args: readonly string[], env: Environment): Service {
  const child = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const exit = new Promise<number | null>((resolve) => child.once('close', resolve));
  const said: string[] = [];
  child.once('error', ({ message }) => said.push(message));
  const address = new Promise<string>((resolve, reject) => {
    for (const input of [child.stdout, child.stderr]) {
      createInterface({ input }).on('line', (line) => {
        said.push(line);
        const [, url] = /Server listening at (https?:[^"]+)/.exec(line) ?? [];
        if (url) resolve(url);
      });
    }
    void exit.then(() => reject(new Error(`${[command, ...args].join(' ')} stopped: ${said.join('\n')}`)));
  });
  // Whoever asks for the address learns of it; a service that is meant to fail is not asked.
  address.catch(() => undefined);
  return {
    said,
    address,
    exit,
    pid: child.pid ?? 0,
    stop: () => child.kill('SIGTERM'),
    hangUp: () => child.kill('SIGHUP'),
  };
}
