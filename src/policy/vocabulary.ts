import type { Container } from '../descriptor/container.ts';
import type { Device } from '../descriptor/device.ts';
import { all, any, choose, constant, type Fact, lacking, map, read, type Truth } from '../descriptor/fact.ts';
import type { Host } from '../descriptor/host.ts';
import type { Pointer } from '../descriptor/pointer.ts';
import type { Scenario } from '../descriptor/scenario.ts';
import { type GuestEvent, guestEvents } from '../descriptor/migration.ts';
import type { Viommu } from '../descriptor/vm.ts';
import { counts, type Finding } from '../rules/finding.ts';
import { effects } from '../rules/rule.ts';
import { type BehaviourName, behaviourValues } from '../simulator/index.ts';
import { type FigureName, figureOf, figures, type Range } from './figures.ts';
import { Reader } from './reading.ts';
import { Release } from './release.ts';

/** What a rule is asked of, once each. */
export type Each = 'vm' | 'device' | 'container';

/** A member of something that expressions can name. */
interface Member<Thing> {
  /** Of CEL, or a type of {@link types}. */
  readonly type: string;
  readonly of: (thing: Thing, reader: Reader) => Fact<unknown>;
  /** Every text that it may be, where that is a closed set. */
  readonly values?: readonly string[];
}

type Members<Thing> = Readonly<Record<string, Member<Thing>>>;

/** A type of things that expressions can name, and the members that each thing of it has. */
interface Type {
  readonly ctor: new (thing: never, reader: Reader) => object;
  readonly members: Members<never>;
}

/** Every type, by the name that it has in expressions. */
export const types = new Map<string, Type>();

/** A thing as expressions see it: what they read of it, the reader notes. */
interface Seen<Thing> {
  readonly thing: Thing;
  readonly reader: Reader;
}

function typeOf<Thing>(name: string, members: Members<Thing>): new (thing: Thing, reader: Reader) => Seen<Thing> {
  const ctor = class implements Seen<Thing> {
    readonly thing: Thing;
    readonly reader: Reader;

    constructor(thing: Thing, reader: Reader) {
      this.thing = thing;
      this.reader = reader;
    }
  };
  for (const [key, { of }] of Object.entries(members)) {
    Object.defineProperty(ctor.prototype, key, {
      get(this: Seen<Thing>) {
        return this.reader.take(of(this.thing, this.reader));
      },
    });
  }
  types.set(name, { ctor, members });
  return ctor;
}

/** The largest integer of CEL. */
export const INT_MAX = (1n << 63n) - 1n;

const integer = (value: bigint | number): bigint => {
  const exact = BigInt(value);
  return exact < INT_MAX ? exact : INT_MAX;
};

const int = <Thing>(of: (thing: Thing) => Fact<bigint | number>): Member<Thing> => ({
  type: 'int',
  of: (thing) => map(of(thing), integer),
});
const bool = <Thing>(of: (thing: Thing) => Truth): Member<Thing> => ({ type: 'bool', of });
const string = <Thing>(of: (thing: Thing) => Fact<string>, values?: readonly string[]): Member<Thing> => ({
  type: 'string',
  of,
  ...(values && { values }),
});
const part = <Thing, Part>(
  type: string,
  ctor: new (part: Part, reader: Reader) => object,
  of: (thing: Thing) => Part,
): Member<Thing> => ({ type, of: (thing, reader) => constant(new ctor(of(thing), reader)) });

/** A value that the descriptor gives, or else one that it has by default. */
const said = <T>(parent: Pointer, field: string, value: T, isGiven: boolean, owner: string): Fact<T> =>
  isGiven ? read(parent, field, value, 'given') : read(parent, field, value, 'default', owner);

/** What is read of the vIOMMU, or `otherwise` where there is none. */
const ofViommu =
  <T>(of: (viommu: Viommu) => Fact<T>, otherwise: T) =>
  ({ vm }: Scenario): Fact<T> =>
    choose(vm.hasViommu, (): Fact<T> => (vm.viommu ? of(vm.viommu) : constant(otherwise)));

const ViommuSeen = typeOf<Scenario>('Viommu', {
  model: string(
    ofViommu<string>(({ model }) => model, 'none'),
    ['none', 'intel', 'virtio', 'amd', 'smmuv3'],
  ),
  addressWidth: int(ofViommu(({ addressWidth }) => addressWidth, 0)),
  cachingMode: bool(ofViommu(({ cachingMode }) => cachingMode, false)),
  scalableMode: bool(ofViommu(({ scalableMode }) => scalableMode, false)),
  firstStage: bool(ofViommu(({ firstStage }) => firstStage, false)),
  snoopControl: bool(ofViommu(({ snoopControl }) => snoopControl, false)),
  deviceIotlb: bool(ofViommu(({ deviceIotlb }) => deviceIotlb, false)),
  pasidBits: int(ofViommu(({ pasidBits }) => pasidBits, 0)),
  dmaRemap: bool(ofViommu(({ dmaRemap }) => dmaRemap, false)),
  accel: bool(ofViommu(({ accel }) => accel, false)),
});

const NO_LABELS = read('/vm', 'labels', {}, 'default', 'what is not listed is absent');

const VmSeen = typeOf<Scenario>('Vm', {
  memory: int(({ vm }) => vm.memory),
  running: bool(({ vm: { isRunning } }) =>
    map(
      said('', 'state', isRunning ? 'running' : 'planned', isRunning, 'a VM of which it is not said'),
      () => isRunning,
    ),
  ),
  board: string(({ vm }) => vm.board, ['q35', 'pc', 'virt', 'other']),
  accel: string(({ vm }) => vm.accel, ['kvm', 'tcg']),
  confidential: string(({ vm }) => vm.confidential, ['none', 'sev', 'sev-es', 'sev-snp', 'tdx']),
  onlyMigratable: bool(({ vm }) => vm.onlyMigratable),
  labels: {
    type: 'map<string, string>',
    of: ({ vm: { descriptor } }) =>
      map(
        descriptor.labels === undefined ? NO_LABELS : read('/vm', 'labels', descriptor.labels, 'given'),
        (labels) => new Map(Object.entries(labels)),
      ),
  },
  viommu: part('Viommu', ViommuSeen, (here: Scenario) => here),
});

const HostIommuSeen = typeOf<Host>('HostIommu', {
  vendor: string(({ iommuVendor }) => iommuVendor),
  dirtyTracking: bool(({ hwptDirtyTracking }) => hwptDirtyTracking.iommu),
  addressWidth: int(({ iommuAddressWidth }) => iommuAddressWidth),
});

const BehavioursSeen = typeOf<Host>(
  'Behaviours',
  Object.fromEntries(
    Object.entries(behaviourValues).map(([name, values]) => [
      name,
      string(({ qemu }: Host) => qemu[name as BehaviourName], values),
    ]),
  ),
);

const HostSeen = typeOf<Host>('Host', {
  qemu: { type: 'Version', of: ({ qemuVersion }) => map(qemuVersion, (version) => Release.of(version)) },
  kernel: { type: 'Version', of: ({ kernelVersion }) => map(kernelVersion, (version) => Release.of(version)) },
  pageSize: int(({ pageSize }) => pageSize),
  iommufd: bool(({ hasIommufd }) => hasIommufd),
  maxDirtyBitmap: int(({ maxDirtyBitmapSize }) => maxDirtyBitmapSize),
  dmaEntryLimit: int(({ pointer, dmaEntryLimit, descriptor: { type1 } }) =>
    said(`${pointer}/type1`, 'dmaEntryLimit', dmaEntryLimit, type1?.dmaEntryLimit !== undefined, 'Linux type1'),
  ),
  iommu: part('HostIommu', HostIommuSeen, (host: Host) => host),
  behaviours: part('Behaviours', BehavioursSeen, (host: Host) => host),
});

const MigrationSeen = typeOf<Scenario>('Migration', {
  mode: string(({ migration }) => migration.mode, ['normal', 'cpr-reboot', 'cpr-transfer', 'cpr-exec', 'snapshot']),
  downtimeLimitMs: int(({ migration }) => migration.downtimeLimitMs),
  tls: bool(({ migration }) => migration.usesTls),
});

const DeviceSeen = typeOf<{ readonly device: Device; readonly findings: readonly Finding[] }>('Device', {
  id: string(({ device: { pointer, id, descriptor } }) =>
    said(pointer, 'id', id, descriptor.id !== undefined, 'its place in the list'),
  ),
  type: string(
    ({ device: { pointer, type, descriptor } }) =>
      said(pointer, 'type', type, descriptor.type !== undefined, 'a VFIO device'),
    ['vfio-pci', 'mdev', 'vfio-ap', 'vfio-ccw', 'vfio-user-pci'],
  ),
  backend: string(({ device }) => device.backend, ['legacy', 'iommufd']),
  behindViommu: bool(({ device }) => device.behindViommu),
  enableMigration: string(({ device }) => device.enableMigration, ['on', 'off', 'auto']),
  protocol: string(({ device }) => device.protocol, ['v1', 'v2', 'none']),
  stopCopy: bool(({ device }) => device.stopCopy),
  p2p: bool(({ device }) => device.p2p),
  tracksDirtyPages: bool(({ device }) => device.tracksDirtyPages),
  unpluggedForMigration: bool(({ device: { pointer, descriptor } }) => {
    const { unpluggedForMigration: value } = descriptor;
    return said(pointer, 'unpluggedForMigration', value === true, value !== undefined, 'a VFIO device');
  }),
});

const ContainerSeen = typeOf<Container>('Container', {
  id: string(({ id }) => constant(id)),
  backend: string(({ backend }) => backend, ['legacy', 'iommufd']),
  tracker: string(({ tracker }) => tracker, ['device', 'iommu', 'type1', 'none']),
  behindViommu: bool(({ devices }) => all(...devices.map(({ behindViommu }) => behindViommu))),
  devices: int(({ devices }) => constant(devices.length)),
});

const figureNames = Object.keys(figures) as FigureName[];

/** Works out each figure once. */
type Figures = (name: FigureName) => Fact<Range>;

function figuresOf(here: Scenario): Figures {
  const known = new Map<FigureName, Fact<Range>>();
  return (name) => {
    const figure = known.get(name) ?? figureOf(here, name);
    known.set(name, figure);
    return figure;
  };
}

const bounds = (bound: keyof Range): Members<Figures> =>
  Object.fromEntries(figureNames.map((name) => [name, int((of: Figures) => map(of(name), (range) => range[bound]))]));

const AtLeastSeen = typeOf<Figures>('AtLeast', bounds('least'));

const FiguresSeen = typeOf<Figures>('Figures', {
  ...bounds('most'),
  atLeast: part('AtLeast', AtLeastSeen, (of: Figures) => of),
});

const FindingsSeen = typeOf<readonly Finding[]>('Findings', {});

/** What rules look at. */
export interface Subject {
  readonly source: Scenario;
  /** The source where no destination is given: a host like it. */
  readonly destination: Scenario;
  /** What was found so far: what is added to it, later rules see. */
  readonly findings: readonly Finding[];
  /** Whether rules list what they find clear, too. */
  readonly includeClear: boolean;
}

/** The names that expressions begin with, by what they are asked of, with the type of each. */
export const names: Readonly<Record<string, string>> = {
  vm: 'Vm',
  source: 'Host',
  destination: 'Host',
  migration: 'Migration',
  devices: 'list<Device>',
  containers: 'list<Container>',
  figures: 'Figures',
  findings: 'Findings',
};

/** What expressions see of a subject; made once for all rules, but for the device or container that one is asked of. */
export class Context {
  readonly reader = new Reader();
  readonly vm: object;
  readonly source: object;
  readonly destination: object;
  readonly migration: object;
  readonly figures: object;
  readonly findings: object;
  device: object | undefined;
  container: object | undefined;
  readonly subject: Subject;
  #devices: readonly object[] | undefined;
  #containers: readonly object[] | undefined;

  constructor(subject: Subject) {
    const { source, destination, findings } = subject;
    this.subject = subject;
    this.vm = new VmSeen(source, this.reader);
    this.source = new HostSeen(source.host, this.reader);
    this.destination = new HostSeen(destination.host, this.reader);
    this.migration = new MigrationSeen(source, this.reader);
    this.figures = new FiguresSeen(figuresOf(source), this.reader);
    this.findings = new FindingsSeen(findings, this.reader);
  }

  get devices(): readonly object[] {
    this.#devices ??= this.subject.source.devices.map(
      (device) => new DeviceSeen({ device, findings: this.subject.findings }, this.reader),
    );
    return this.#devices;
  }

  get containers(): readonly object[] {
    this.#containers ??= this.subject.source.containers.map((container) => new ContainerSeen(container, this.reader));
    return this.#containers;
  }
}

/** Whether any of `findings` fires; of those that may, it is not known. */
const anyOf = (findings: readonly Finding[]): Truth =>
  any(
    ...findings.flatMap((finding): Truth[] => {
      if (counts(finding)) return [map(finding.basis, () => true)];
      return finding.outcome === 'unknown' ? [lacking(...finding.lacks)] : [];
    }),
  );

/** A function that is called on a thing with texts that the policy file writes out. */
interface Method {
  readonly on: string;
  readonly name: string;
  /** What each text must be. */
  readonly takes: readonly (readonly string[] | 'rule' | 'version' | 'text')[];
  readonly call: (seen: never, ...texts: readonly string[]) => boolean;
}

const ofDevice = (
  { thing: { device, findings } }: Seen<{ device: Device; findings: readonly Finding[] }>,
  rule: string,
) =>
  findings.filter((finding) => finding.rule.id === rule && finding.host === 'source' && finding.device === device.id);

export const methods: readonly Method[] = [
  {
    on: 'Migration',
    name: 'mayHappen',
    takes: [guestEvents],
    call: ({ thing, reader }: Seen<Scenario>, event) => reader.take(thing.migration.mayHappen(event as GuestEvent)),
  },
  {
    on: 'Migration',
    name: 'capability',
    takes: ['text'],
    call: ({ thing, reader }: Seen<Scenario>, name = '') => reader.take(thing.migration.has(name)),
  },
  {
    on: 'Findings',
    name: 'fired',
    takes: ['rule'],
    call: ({ thing, reader }: Seen<readonly Finding[]>, id) =>
      reader.take(anyOf(thing.filter(({ rule }) => rule.id === id))),
  },
  {
    on: 'Findings',
    name: 'effect',
    takes: [effects],
    call: ({ thing, reader }: Seen<readonly Finding[]>, name) =>
      reader.take(anyOf(thing.filter(({ effect }) => effect === name))),
  },
  {
    on: 'Device',
    name: 'fired',
    takes: ['rule'],
    call: (seen: Seen<{ device: Device; findings: readonly Finding[] }>, rule = '') =>
      seen.reader.take(anyOf(ofDevice(seen, rule))),
  },
  {
    on: 'Version',
    name: 'between',
    takes: ['version', 'version'],
    call: (version: Release, from = '', to = '') =>
      version.compare(written(from)) >= 0 && version.compare(written(to)) <= 0,
  },
];

const releases = new Map<string, Release>();
const RELEASES_MAX = 1024;

/** A version that a policy file writes, which was looked at when that was read. */
export function written(text: string): Release {
  const known = releases.get(text);
  if (known) return known;
  const release = Release.parse(text);
  if (release === null) throw new Error(`"${text}" is no version`);
  if (releases.size >= RELEASES_MAX) releases.clear();
  releases.set(text, release);
  return release;
}

/** What expressions may name, for people: each name with its type, each type with its members and functions. */
export function namesText(): string {
  const beginnings = { ...names, device: 'Device', container: 'Container' };
  const lines = Object.entries(beginnings).map(([name, type]) => `${name}: ${type}`);
  const functionsOf = (type: string): string[] =>
    methods
      .filter(({ on }) => on === type)
      .map(({ name, takes }) => {
        const texts = takes.map((each) => (typeof each === 'string' ? each : each.join(' | ')));
        return `  ${name}(${texts.join(', ')}): bool`;
      });
  const ofTypes = [...types].flatMap(([name, { members }]) => [
    '',
    name,
    ...Object.entries(members).map(
      ([key, { type, values }]) => `  ${key}: ${type}${values ? ` (${values.join(' | ')})` : ''}`,
    ),
    ...functionsOf(name),
  ]);
  return [...lines, ...ofTypes, '', 'Version', ...functionsOf('Version')].join('\n');
}
