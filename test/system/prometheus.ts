import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parse, stringify } from 'yaml';

/** A series that a query found, and its newest value. */
export interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [time: number, value: string];
}

/** A process of Debian's Prometheus, with a directory of its own. */
export interface Prometheus {
  /** What its HTTP API answers to `path` under /api/v1/. */
  readonly ask: <T>(path: string, query?: Readonly<Record<string, string>>) => Promise<T>;
  readonly stop: () => Promise<void>;
}

/** Starts Prometheus on a free port of this machine, as the composition does, but to scrape `target` each second. */
export async function startPrometheus(target: string): Promise<Prometheus> {
  const directory = mkdtempSync(join(tmpdir(), 'prometheus-'));
  cpSync('deploy/prometheus', directory, { recursive: true });
  const { global, scrape_configs, ...config } = parse(
    readFileSync('deploy/prometheus/prometheus.yml', 'utf8'),
  ) as Config;
  const often = { ...global, scrape_interval: '1s', evaluation_interval: '1s' };
  const scrapes = scrape_configs.map((scrape) => ({ ...scrape, static_configs: [{ targets: [target] }] }));
  writeFileSync(join(directory, 'prometheus.yml'), stringify({ ...config, global: often, scrape_configs: scrapes }));
  const { services } = parse(readFileSync('deploy/compose.yaml', 'utf8')) as Composition;
  const child = spawn(
    'prometheus',
    [
      ...services.prometheus.command.filter((option) => option.startsWith('--enable-feature=')),
      `--config.file=${join(directory, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(directory, 'data')}`,
      '--web.listen-address=127.0.0.1:0',
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  const exit = once(child, 'close');
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    await exit;
    rmSync(directory, { recursive: true });
  };
  const address = await new Promise<string>((resolve, reject) => {
    const said: string[] = [];
    createInterface({ input: child.stderr }).on('line', (line) => {
      said.push(line);
      const [, found] = /msg="Listening on" address=(\S+)/.exec(line) ?? [];
      if (found) resolve(found);
    });
    exit.then(() => reject(new Error(`Prometheus stopped: ${said.join('\n')}`)), reject);
  });
  const ask = async <T>(path: string, query: Readonly<Record<string, string>> = {}): Promise<T> => {
    const answer = await fetch(`http://${address}/api/v1/${path}?${new URLSearchParams(query).toString()}`);
    const { status, data, error } = (await answer.json()) as { status: string; data: T; error?: string };
    if (status !== 'success') throw new Error(`${path} ${JSON.stringify(query)}: ${error}`);
    return data;
  };
  return { ask, stop };
}

interface Config {
  readonly global: object;
  readonly scrape_configs: readonly object[];
}

interface Composition {
  readonly services: { readonly prometheus: { readonly command: readonly string[] } };
}
