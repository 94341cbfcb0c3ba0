import { readdirSync, readFileSync } from 'node:fs';
import { parse as parseYaml } from 'yaml';
import {
  batchExamples,
  envelopeExamples,
  exampleArgv,
  examples,
  exampleXml,
  placementExamples,
  replayExamples,
  simulationExamples,
} from '../../src/http/examples.ts';
import { type JsonSchema, namedSchemas, ref } from '../../src/http/schemas.ts';
import { shellCommands } from '../../src/importers/shell-words.ts';
import { fleet } from '../bench/fleet.ts';
import { argvOf, xmlOf as fleetXml } from '../bench/fleet-formats.ts';
import { type Argv, FORMS, mutateArgv } from './argv.ts';
import { mutateBytes } from './bytes.ts';
import { Dice } from './dice.ts';
import { BREAKS as JSON_BREAKS, copyOf, Grammar, type Json, jsonOf, mutateJson, textOfJson } from './json.ts';
import { WORDS } from './words.ts';
import { BREAKS as XML_BREAKS, copyOfXml, mutateXml, textOfXml, xmlOf } from './xml.ts';
import { aliased, BREAKS as YAML_BREAKS, doubling, listOf, textOfYaml } from './yaml.ts';

/** Where bytes come in. */
export const ENTRANCES = [
  'descriptor',
  'libvirt-xml',
  'qemu-argv',
  'kubevirt',
  'envelope',
  'batch',
  'placements',
  'simulations',
  'replays',
  'host-profiles',
] as const;
export type Entrance = (typeof ENTRANCES)[number];

/** Whether what comes in is one VM, as a descriptor or as any other document. */
export const isDocument = ({ entrance }: Pick<Input, 'entrance'>): boolean =>
  ['descriptor', 'libvirt-xml', 'qemu-argv', 'kubevirt', 'envelope'].includes(entrance);

/** Something to send. The same seed makes the same. */
export interface Input {
  readonly seed: number;
  readonly entrance: Entrance;
  readonly bytes: Buffer;
  /** The media type that it is sent as. */
  readonly type: string;
  /** With its question mark, if there is one. */
  readonly query: string;
  /** Whether only what it is read as is asked for. */
  readonly isImport: boolean;
  /** Whether remedies are looked for, and what each value of a missing fact decides, which takes long. */
  readonly isSearched: boolean;
  /** Whether it was made so that it cannot be read. */
  readonly isBroken: boolean;
}

const filesIn = (directory: string): string[] =>
  readdirSync(directory)
    .toSorted()
    .map((file) => readFileSync(`${directory}/${file}`, 'utf8'));

const site = [...fleet(40)];

/** Documents that are read, by entrance; every mutation begins with one. */
const descriptors = [...Object.values(examples).map(({ request }) => request), ...site].map(jsonOf);
const xml = [exampleXml, ...filesIn('test/fixtures/libvirt'), ...site.map(fleetXml)].map(xmlOf);
const argv = [exampleArgv, ...site.map(argvOf)].map((text) =>
  [...shellCommands(text)].flatMap((words): Argv => words.map((word) => word.text)),
);
const kubevirt = filesIn('test/fixtures/kubevirt').map((text) => jsonOf(parseYaml(text)));
const envelopes = Object.values(envelopeExamples).map(({ request }) => jsonOf(request));
const batches = Object.values(batchExamples).map(({ request }) => request.map(jsonOf));
const placements = Object.values(placementExamples).map(({ request }) => jsonOf(request));
const simulations = Object.values(simulationExamples).map(({ request }) => jsonOf(request));
const decisions = Object.values(replayExamples()).flatMap(({ request }) => request.map(jsonOf));
const profiles = [
  jsonOf({
    hosts: {
      gen10: { ...examples['domain-switch']?.request.source, devices: { '*': { driver: 'mlx5_vfio_pci' } } },
      gen11: { qemu: '11.1.3', kernel: '7.1' },
    },
  }),
];

/** What is known of a host: without it an evaluation takes many times as long. */
const SOURCE = jsonOf({ ...examples['domain-switch']?.request.source, devices: undefined });

/** What running QEMUs answer. */
const QMP = [
  { execute: 'query-version', return: { qemu: { major: 10, minor: 2, micro: 2 }, package: '' } },
  {
    execute: 'query-migrate',
    return: { 'blocked-reasons': ['0000:3b:00.1: VFIO migration is not supported in kernel'] },
  },
  { execute: 'query-migrate', return: {} },
  {
    execute: 'query-pci',
    return: [
      {
        bus: 0,
        devices: [
          {
            qdev_id: 'hostdev0',
            regions: [{ type: 'memory', address: 4261412864, size: 65536 }],
            pci_bridge: {
              bus: {},
              devices: [{ qdev_id: 'dev0', regions: [{ type: 'memory', address: -1, size: 4096 }] }],
            },
          },
        ],
      },
    ],
  },
  {
    execute: 'qom-get',
    arguments: { path: '/machine/peripheral/hostdev0', property: 'enable-migration' },
    return: 'on',
  },
  { execute: 'qom-get', arguments: { path: '/machine/peripheral/iommu0', property: 'aw-bits' }, return: 48 },
  { execute: 'query-status', return: {}, error: { class: 'GenericError', desc: 'x' } },
].map(jsonOf);

const grammar = new Grammar(namedSchemas());
const HOSTS: JsonSchema = {
  type: 'object',
  properties: { hosts: { type: 'object', additionalProperties: ref('Host') } },
};

/** What is made before it is sent: the text, and how. */
type Made = Pick<Input, 'type' | 'isBroken'> & { readonly text: string };

/** `from` with a few things changed, as JSON of `schema`. */
function changed(from: readonly Json[], schema: JsonSchema, dice: Dice): Json {
  const [json, other] = [copyOf(dice.of(from)), dice.of(descriptors)];
  for (let count = dice.is(10) ? 0 : dice.few(6); count > 0; count--) mutateJson(json, other, schema, grammar, dice);
  return json;
}

const asJson = (json: Json, dice: Dice): Made => {
  const isBroken = dice.is(4);
  const text = textOfJson(json);
  return { text: isBroken ? dice.of(JSON_BREAKS)(text, dice) : text, type: 'application/json', isBroken: false };
};

function madeXml(dice: Dice): Made {
  const [parts, other] = [copyOfXml(dice.of(xml)), dice.of(xml)];
  for (let count = dice.is(10) ? 0 : dice.few(6); count > 0; count--) mutateXml(parts, other, dice);
  const text = textOfXml(parts);
  const whole = dice.is(5) ? `<a>${text}${dice.is(50) ? text : ''}</a>` : text;
  return { text: dice.is(8) ? dice.of(XML_BREAKS)(whole, dice) : whole, type: 'application/xml', isBroken: false };
}

function madeArgv(dice: Dice): Made {
  const words = [...dice.of(argv)];
  for (let count = dice.is(10) ? 0 : dice.few(6); count > 0; count--) mutateArgv(words, dice.of(argv), dice);
  const { write, breaks } = dice.of(FORMS);
  const text = write(words, dice);
  const isBroken = breaks.length > 0 && dice.is(8);
  return { text: isBroken ? dice.of(breaks)(text, dice) : text, type: 'text/x-qemu-argv', isBroken };
}

function madeKubevirt(dice: Dice): Made {
  const json = changed(kubevirt, {}, dice);
  const text = textOfYaml(dice.is(5) ? listOf([json]) : json, dice);
  if (dice.is(8)) {
    const broken = dice.of(YAML_BREAKS)(text, dice);
    return { text: broken, type: 'application/yaml', isBroken: broken !== text };
  }
  const written = dice.is(10) ? aliased(text, dice) : dice.is(2) ? `${text}${doubling(3 + dice.below(30))}\n` : text;
  return { text: written, type: 'application/yaml', isBroken: false };
}

function envelopeWith(dice: Dice): Json {
  const [format, made] = dice.of([
    () => ['libvirt-xml', madeXml(dice)] as const,
    () => ['qemu-argv', madeArgv(dice)] as const,
    () => ['kubevirt', madeKubevirt(dice)] as const,
    () => ['descriptor', asJson(changed(descriptors, ref('Descriptor'), dice), dice)] as const,
  ])();
  const document = dice.is(85) ? JSON.stringify(made.text) : changed([...descriptors, ...kubevirt], {}, dice);
  const overlays = ['destination', 'vm', 'migration', 'state', 'ref'].filter(() => dice.is(20));
  const schema = grammar.resolve(ref('Envelope'), dice);
  const asked: JsonMembers = dice.is(40) ? [['format', JSON.stringify(format)]] : [];
  return {
    members: [
      ['import', { members: [...asked, ['document', document]] }],
      ...(dice.is(40) ? [['qmp', { items: QMP.filter(() => dice.is(40)).map(copyOf) }] as const] : []),
      ['source', dice.is(70) ? copyOf(SOURCE) : grammar.make(ref('Host'), dice)],
      ...overlays.map((key) => [key, grammar.make(grammar.memberOf(schema, key), dice)] as const),
    ],
  };
}

type JsonMembers = (readonly [string, Json])[];

const madeEnvelope = (dice: Dice): Made => {
  const from = dice.is(40) ? envelopes : [envelopeWith(dice)];
  return asJson(dice.is(50) ? changed(from, ref('Envelope'), dice) : (from[0] as Json), dice);
};

function madeBatch(dice: Dice): Made {
  const items = Array.from({ length: dice.below(8) }, (): string =>
    dice.of([
      () => asJson(changed(descriptors, ref('Descriptor'), dice), dice).text,
      () => madeEnvelope(dice).text,
      () => textOfJson(dice.of(dice.of(batches))),
      () => JSON.stringify(madeXml(dice).text),
      () => dice.of([madeArgv(dice).text, madeXml(dice).text, madeKubevirt(dice).text]).replaceAll('\n', ' '),
      () => dice.of(['', ' ', '\r', 'null', '[]', '1', '"x"', '{}', '\ufeff{}', '[{}]', '["qemu-kvm","-m","1G"]']),
    ])(),
  );
  const isArray = dice.is(15);
  const text = isArray ? `[${items.join(',')}]` : items.join(dice.is(90) ? '\n' : '\r\n');
  return { text, type: isArray ? 'application/json' : 'application/x-ndjson', isBroken: false };
}

function madeReplay(dice: Dice): Made {
  const lines = Array.from({ length: dice.few(5) }, () => {
    const { text } = asJson(changed(decisions, ref('LoggedDecision'), dice), dice);
    return dice.is(10) ? dice.of(['', '{}', '[]', 'null', '"x"', text.slice(1)]) : text;
  });
  return { text: lines.join('\n'), type: 'application/x-ndjson', isBroken: false };
}

function madeProfiles(dice: Dice): Made {
  const json = changed(profiles, HOSTS, dice);
  const text = dice.is(50) ? textOfYaml(json, dice) : textOfJson(json);
  return { text: dice.is(10) ? dice.of(YAML_BREAKS)(text, dice) : text, type: '', isBroken: false };
}

const makers: Readonly<Record<Entrance, readonly [share: number, make: (dice: Dice) => Made]>> = {
  descriptor: [25, (dice) => asJson(changed(descriptors, ref('Descriptor'), dice), dice)],
  'libvirt-xml': [18, madeXml],
  'qemu-argv': [18, madeArgv],
  kubevirt: [12, madeKubevirt],
  envelope: [10, madeEnvelope],
  batch: [3, madeBatch],
  placements: [3, (dice) => asJson(changed(placements, ref('PlacementRequest'), dice), dice)],
  simulations: [8, (dice) => asJson(changed(simulations, ref('Simulation'), dice), dice)],
  replays: [2, madeReplay],
  'host-profiles': [1, madeProfiles],
};

/** Entrances as often as they are drawn. */
const DRAWN = ENTRANCES.flatMap((entrance) => Array.from({ length: makers[entrance][0] }, () => entrance));

/** Of media types the right one, one that leaves it open, or a wrong one. */
const TYPES = [
  'application/x-www-form-urlencoded',
  '',
  'application/json; charset=utf-8',
  'text/plain',
  'application/yaml',
  'text/xml',
  '\u00e9',
];

const PARAMETERS = [
  'qemu',
  'kernel',
  'libvirt',
  'source',
  'destination',
  'include',
  'remedies',
  'fail-on',
  'format',
  'color',
  'only',
  'summary',
  '__proto__',
  'x',
];
const VALUES = [
  '11.1.3',
  '10.2.2',
  '6.12',
  'gen10',
  'clear',
  'true',
  'false',
  'blocked,unsafe',
  'risky',
  'text',
  'json',
  'always',
  'never',
];

function queryOf(dice: Dice): string {
  const pairs = Array.from({ length: dice.few(4) }, () => {
    const value = dice.is(70) ? dice.of(VALUES) : dice.of(WORDS);
    return `${dice.of(PARAMETERS)}${dice.of(['=', '=', '=', '', '[]=', '[a]='])}${dice.is(95) ? encoded(value) : '%zz'}`;
  });
  return `?${pairs.join(dice.of(['&', '&', '&&', ';']))}`;
}

/** What names no host: to judge it takes long, so mostly what it is read as is asked for. */
const isForeign = (entrance: Entrance): boolean => ['libvirt-xml', 'qemu-argv', 'kubevirt'].includes(entrance);

const encoded = (value: string): string => encodeURIComponent(value.replaceAll(/[\ud800-\udfff]/gu, '\ufffd'));

/** The input of `seed`, of all entrances or of one. */
export function inputOf(seed: number, only?: Entrance): Input {
  const dice = new Dice(seed);
  const entrance = only ?? dice.of(DRAWN);
  const { text, type, isBroken } = makers[entrance][1](dice);
  let bytes: Buffer = Buffer.from(text);
  const isFlipped = dice.is(6);
  if (isFlipped) for (let count = dice.few(4); count > 0; count--) bytes = mutateBytes(bytes, dice);
  const isTypeKept = dice.is(85) || isBroken;
  const hasQuery = entrance !== 'host-profiles' && dice.is(8);
  return {
    seed,
    entrance,
    bytes,
    type: isTypeKept ? type : dice.of(TYPES),
    query: hasQuery ? queryOf(dice) : '',
    isImport: isDocument({ entrance }) && dice.is(isForeign(entrance) ? 95 : 10),
    isSearched: dice.is(3),
    isBroken: isBroken && !isFlipped,
  };
}
