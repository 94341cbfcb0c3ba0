import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { buildApp } from '../../src/app.ts';
import { readConfig } from '../../src/config.ts';

const dockerfile = readFileSync('Dockerfile', 'utf8');
const compose = parse(readFileSync('deploy/compose.yaml', 'utf8')) as {
  services: Record<'preflight' | 'prometheus' | 'grafana', Readonly<Record<string, unknown>>>;
};
const prometheus = parse(readFileSync('deploy/prometheus/prometheus.yml', 'utf8')) as {
  rule_files: string[];
  scrape_configs: { static_configs: { targets: string[] }[]; metrics_path?: string }[];
};
const { preflight } = compose.services;
const { port, shutdownMs } = readConfig({});

/** The arguments of each line of the Dockerfile that begins with `instruction`. */
const instructions = (instruction: string): string[] =>
  dockerfile
    .split('\n')
    .flatMap((line) => (line.startsWith(`${instruction} `) ? [line.slice(instruction.length + 1)] : []));

const hasRoute = async (url: string): Promise<boolean> => {
  const app = await buildApp(readConfig({}));
  const has = app.hasRoute({ method: 'GET', url });
  await app.close();
  return has;
};

describe('the Dockerfile', () => {
  it('runs what npm start runs', () => {
    const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: { start: string } };
    expect((JSON.parse(instructions('CMD').at(-1) ?? '') as string[]).join(' ')).toBe(scripts.start);
  });

  it('copies only what there is and what its context holds', () => {
    const ignored = readFileSync('.dockerignore', 'utf8').split('\n').filter(Boolean);
    const copied = instructions('COPY').flatMap((line) =>
      line.startsWith('--from') ? [] : line.split(' ').slice(0, -1),
    );
    expect(ignored).toEqual(['*', ...copied.map((path) => `!${path}`)]);
    expect(copied.filter((path) => !existsSync(path))).toEqual([]);
  });

  it('runs as a user that is a number and not root', () => {
    expect(instructions('USER').at(-1)).toMatch(/^[1-9]\d*:[1-9]\d*$/);
  });

  it('listens on every address, on the port it exposes', () => {
    expect(instructions('ENV').join(' ')).toContain(`HOST=0.0.0.0 PORT=${port}`);
    expect(instructions('EXPOSE')).toEqual([String(port)]);
  });

  it('asks a route that there is for its health', async () => {
    const [, path = ''] = /process\.env\.PORT\}(\/[\w/]+)/.exec(dockerfile) ?? [];
    expect([path, await hasRoute(path)]).toEqual(['/health/ready', true]);
  });
});

describe('the composition', () => {
  it('publishes ports on this machine only', () => {
    expect(preflight['ports']).toEqual([`127.0.0.1:${port}:${port}`]);
    const ports = Object.values(compose.services).flatMap((service) => service['ports'] as string[]);
    expect(ports.filter((each) => !each.startsWith('127.0.0.1:'))).toEqual([]);
  });

  it('builds from where the Dockerfile is', () => {
    expect(existsSync(join('deploy', preflight['build'] as string, 'Dockerfile'))).toBe(true);
  });

  it('gives the service longer to stop than it takes', () => {
    expect(Number.parseInt(preflight['stop_grace_period'] as string, 10) * 1000).toBeGreaterThan(shutdownMs);
  });

  it('lets Prometheus scrape the service by its name, where its metrics are', async () => {
    const { volumes, command } = compose.services.prometheus as { volumes: string[]; command: string[] };
    const [[from = '', to = ''] = []] = volumes.map((volume) => volume.split(':'));
    expect(command).toContain(`--config.file=${to}/prometheus.yml`);
    const mounted = ['prometheus.yml', ...prometheus.rule_files].map((file) => join('deploy', from, file));
    expect(mounted).toEqual(['deploy/prometheus/prometheus.yml', 'deploy/prometheus/rules.yml']);
    expect(mounted.filter((path) => !existsSync(path))).toEqual([]);
    const [scrape] = prometheus.scrape_configs;
    expect(scrape?.static_configs).toEqual([{ targets: [`preflight:${port}`] }]);
    expect(await hasRoute(scrape?.metrics_path ?? '/metrics')).toBe(true);
  });
});

it('no image is named with a registry', () => {
  const images = [...dockerfile.matchAll(/^ARG NODE_IMAGE=(\S+)$/gm)].map(([, image = '']) => image);
  images.push(
    ...Object.values(compose.services).flatMap(({ image }) => (image === undefined ? [] : [image as string])),
  );
  expect(images.filter((image) => /^[^/]*[.:][^/]*\//.test(image))).toEqual([]);
  expect(images).toHaveLength(3);
});
