import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { promisify } from 'node:util';
import type { Descriptor } from '../../src/descriptor/schema.ts';
import { rules } from '../../src/rules/index.ts';
import { ALONE, type Row, type Timing } from './compare.ts';
import { fourDevices, requestOf } from './documents.ts';
import { post } from './open-loop.ts';
import { compareCpu, freePort, Loaded, Server } from './server.ts';
import { attributesOf, haveAgree, sameRules } from './same-rules.ts';

/** 100 MB: fetched by this bench, for which nobody else is to pay. */
const PACKAGE = '@cerbos/cerbos-linux-x64';
const VERSION = '0.55.0';
const FOLDER = '.bench/cerbos';
const PROGRAM = `${FOLDER}/node_modules/${PACKAGE}/cerbos-linux-x64`;
const POLICIES = `${FOLDER}/policies`;

const PATH = '/api/check/resources';

/** An action that is allowed where any of the rules fires, beside one for each of them. */
const ANY = 'any';

/** The rules as a resource policy: to allow an action is to say that its rule fires. */
function writePolicy(): void {
  const rule = (action: string, match: object): object => ({
    actions: [action],
    effect: 'EFFECT_ALLOW',
    roles: ['*'],
    condition: { match },
  });
  const conditions = sameRules.map(({ id, cel: expr }) => ({ id, match: { expr } }));
  const policy = {
    apiVersion: 'api.cerbos.dev/v1',
    resourcePolicy: {
      resource: 'vm',
      version: 'default',
      rules: [
        ...conditions.map(({ id, match }) => rule(id, match)),
        rule(ANY, { any: { of: conditions.map(({ match }) => match) } }),
      ],
    },
  };
  mkdirSync(POLICIES, { recursive: true });
  writeFileSync(`${POLICIES}/vm.json`, JSON.stringify(policy));
}

/** Whether the rules of `actions` fire for `descriptor`, as Cerbos is asked. */
const question = (descriptor: Descriptor, actions: readonly string[]): string =>
  JSON.stringify({
    requestId: descriptor.ref,
    principal: { id: 'caller', roles: ['caller'] },
    resources: [{ resource: { kind: 'vm', id: descriptor.ref, attr: attributesOf(descriptor) }, actions }],
  });

const ALL = sameRules.map(({ id }) => id);

async function startCerbos(): Promise<Server> {
  if (!existsSync(PROGRAM)) {
    const from = ['install', '--no-save', '--ignore-scripts', '--prefix', FOLDER, `${PACKAGE}@${VERSION}`];
    await promisify(execFile)('npm', from);
  }
  writePolicy();
  const [http, grpc] = [await freePort(), await freePort()];
  const settings = [
    `server.httpListenAddr=127.0.0.1:${http}`,
    `server.grpcListenAddr=127.0.0.1:${grpc}`,
    'telemetry.disabled=true',
    'storage.driver=disk',
    `storage.disk.directory=${POLICIES}`,
  ].map((setting) => `--set=${setting}`);
  // It would log each request otherwise.
  return Server.startAt(http, '/_cerbos/health', PROGRAM, ['server', '--log-level=warn', ...settings]);
}

interface Answer {
  readonly results: readonly [{ readonly actions: Readonly<Record<string, string>> }];
}

/** What an evaluation costs the service, beside what Cerbos takes for twenty of its rules on facts that are read for it. */
export async function besideCerbos(short: boolean): Promise<Row> {
  const job = `POST /v1/evaluations, CPU a request, beside Cerbos ${VERSION} with ${sameRules.length} of the ${rules.length} rules`;
  let cerbos: Server;
  try {
    cerbos = await startCerbos();
  } catch (error) {
    const [why = ''] = (error as Error).message.split('\n', 1);
    return { job, ...ALONE, ratios: [`not run: ${why}`], goal: 'at most a tenth', excess: null };
  }
  const service = await Server.service();
  await haveAgree(async (descriptor) => {
    const { results } = JSON.parse(await cerbos.ask(PATH, question(descriptor, ALL))) as Answer;
    return ALL.filter((id) => results[0].actions[id] === 'EFFECT_ALLOW');
  });
  const asked = (actions: readonly string[]): Loaded =>
    new Loaded(cerbos, (index) => post(PATH, question(fourDevices(index), actions)));
  const timings = await compareCpu(
    {
      [`all ${rules.length} rules, costs, decisionId; alike but for names`]: new Loaded(service, (index) =>
        requestOf(index, { differing: 'names' }),
      ),
      'the same, no two bodies alike': new Loaded(service, requestOf),
      'Cerbos, which of the rules fire': asked(ALL),
      'Cerbos, whether any of them does': asked([ANY]),
    },
    short,
  );
  await Promise.all([cerbos.stop(), service.stop()]);
  const [named, unlike, which, any] = timings as [Timing, Timing, Timing, Timing];
  const share = (a: Timing, b: Timing): string => (a.median / b.median).toFixed(2);
  return {
    job,
    timings,
    each: { of: 1, unit: 'request' },
    ratios: [
      `where names differ ${share(named, which)} of Cerbos that says which fire, ${share(named, any)} of one that says whether any does`,
      `where nothing was asked before ${share(unlike, which)} and ${share(unlike, any)}`,
    ],
    goal: 'at most a tenth',
    excess: named.median / which.median / 0.1,
  };
}
