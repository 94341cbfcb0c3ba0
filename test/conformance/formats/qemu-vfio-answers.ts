import type { HostDescriptor, HostDeviceDescriptor } from '../../../src/descriptor/schema.ts';
import type { Format } from '../format.ts';
import {
  type Answer,
  failureOf,
  readStderr,
  type Reply,
  type Row,
  startedAs,
  type Status,
} from '../qemu-cases/answer.ts';
import { type HostOf, replayAnswer } from '../qemu-cases/replay-answer.ts';

/** A VM that was started, and perhaps asked to migrate. */
interface StartCase extends Row {
  args: string[];
  started: boolean;
  blocked_reasons?: string[];
  migrate_reply?: { desc?: string };
  migrate_status?: Status;
}

/** A VM of these devices that was told to migrate with capabilities. */
interface CapabilityCase extends Row {
  devices: string[];
  caps: string[];
  set_capabilities: Reply;
  query: Status;
  migrate: Reply;
  after: Status;
}

/** A VM of the device that its id names, which was told to migrate in another mode. */
interface ModeCase extends Row {
  query: Status;
  migrate: Reply;
}

type Case = StartCase | CapabilityCase | ModeCase;

/** What QEMU 10.0.13 and 11.1.3 said to real VFIO devices on Linux 7.1.8. */
export const qemuVfioAnswers: Format = {
  file: 'vfio-answers',
  *replay(content) {
    for (const given of (content as { cases: Case[] }).cases) yield* replayAnswer(answerOf(given), hostOf);
  },
};

const answerOf = (given: Case): Answer =>
  'args' in given ? startAnswer(given) : 'caps' in given ? capabilityAnswer(given) : modeAnswer(given);

/** What a row says whatever its kind. */
function common({ id, qemu, stderr }: Row, args: readonly string[]): Omit<Answer, 'started' | 'queryMigrate'> {
  const { argv, ...version } = startedAs(qemu, args);
  return { id, ...version, argv, ...readStderr(stderr, argv), stderr };
}

function startAnswer(given: StartCase): Answer {
  const { args, started, blocked_reasons: queryMigrate = [], migrate_reply, migrate_status } = given;
  const tried = migrate_reply && { migrate: failureOf(migrate_reply.desc, migrate_status) };
  return { ...common(given, args), started, queryMigrate, ...tried };
}

const MACHINE = ['-machine', 'q35', '-m', '128M'];

/** A capability that could not be set is not. */
function capabilityAnswer(given: CapabilityCase): Answer {
  const { devices, caps, set_capabilities, query, migrate, after } = given;
  const args = [...MACHINE, ...devices.flatMap((device) => ['-device', device])];
  return {
    ...common(given, args),
    migration: { capabilities: set_capabilities.error ? [] : caps },
    started: true,
    queryMigrate: query['blocked-reasons'] ?? [],
    migrate: failureOf(migrate.error?.desc, after),
  };
}

/** Memory that CPR takes. The rows do not tell their memory, and none of it is named as a reason. */
const SHARED_MACHINE = ['-machine', 'q35,memory-backend=mem', '-object', 'memory-backend-memfd,id=mem,size=128M'];

/** "mode cpr-reboot iommufd e1000e": what QEMU prints is all that is heard of a migration that fails later. */
function modeAnswer(given: ModeCase): Answer {
  const { id, query, migrate } = given;
  const [, mode, backend, name] = id.split(' ');
  const device = devices.find((each) => each.name === name);
  if (!device) throw new Error(`no device called ${name}`);
  const iommufd = backend === 'iommufd' ? ',iommufd=iommufd0' : '';
  const { errors, ...said } = common(given, [
    ...SHARED_MACHINE,
    '-object',
    'iommufd,id=iommufd0',
    '-device',
    `vfio-pci,${device.option}${iommufd}`,
  ]);
  return {
    ...said,
    errors: [],
    migration: { mode: mode as 'cpr-reboot' | 'cpr-exec' },
    started: true,
    queryMigrate: query['blocked-reasons'] ?? [],
    migrate: [...failureOf(migrate.error?.desc, undefined), ...errors],
  };
}

const mdev = (end: string): Pick<TestDevice, 'host' | 'option'> => {
  const host = `83b8f4f2-509f-382f-3c1e-e6bfe0fa${end}`;
  return { host, option: `sysfsdev=/sys/bus/mdev/devices/${host}` };
};

interface TestDevice {
  readonly name: string;
  /** What QEMU calls it, and how it is told to take it. */
  readonly host: string;
  readonly option: string;
  readonly can: HostDeviceDescriptor;
}

const everything = { protocol: 'v2', stopCopy: true, p2p: true, preCopy: true, dmaLogging: true } as const;

/** The devices of the host: an e1000e, and mdevs that were given some abilities and not others. */
const devices: readonly TestDevice[] = [
  ...['0000:00:05.0', '0000:00:06.0'].map((host) => ({
    name: 'e1000e',
    host,
    option: `host=${host}`,
    can: { driver: 'vfio_pci' },
  })),
  { name: 'full', ...mdev('1001'), can: everything },
  { name: 'nolog', ...mdev('1002'), can: { ...everything, dmaLogging: false } },
  { name: 'nop2p', ...mdev('1003'), can: { ...everything, p2p: false } },
  { name: 'nop2pb', ...mdev('1004'), can: { ...everything, p2p: false } },
  { name: 'nomig', ...mdev('1005'), can: { protocol: 'none', dmaLogging: false } },
  { name: 'stopcopy', ...mdev('1006'), can: { ...everything, p2p: false, preCopy: false } },
  { name: 'fullb', ...mdev('1007'), can: everything },
];

/** An emulated intel-iommu: 48 bits, and neither nested translation nor dirty tracking of its own. */
const host: HostDescriptor = {
  kernel: '7.1.8',
  pageSize: 4096,
  iommu: { vendor: 'intel', addressWidth: 48, dirtyTracking: false },
};

const hostOf: HostOf = ({ vfio }) => ({
  ...host,
  devices: Object.fromEntries(
    vfio.map(({ id, host: name }, index) => [
      id ?? `dev${index}`,
      devices.find((each) => each.host === name)?.can ?? {},
    ]),
  ),
});
