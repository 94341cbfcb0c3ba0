import * as z from 'zod';
import { deviceId, type Fault } from '../descriptor/check.ts';
import { member, type Placed, type Pointer } from '../descriptor/pointer.ts';
import type { Descriptor, VfioDescriptor, ViommuDescriptor } from '../descriptor/schema.ts';

/** Commands whose answers one request may bring. */
export const ANSWERS_MAX = 1024;

/** What a running QEMU answered to one command of QMP, as it printed it. */
export const qmpAnswer = z
  .strictObject({
    execute: z
      .string()
      .min(1)
      .max(256)
      .describe('The command: query-migrate, query-version, query-pci or qom-get; others are listed as not read.'),
    arguments: z.record(z.string(), z.unknown()).optional().describe('Of qom-get: `path` and `property`.'),
    return: z.unknown().optional(),
    error: z.unknown().optional(),
    id: z.unknown().optional().describe('Of the answer; it is not read.'),
  })
  .meta({
    id: 'QmpAnswer',
    description:
      'The `return` of a QMP command, beside the command itself. query-migrate: its blocked-reasons are compared with what ' +
      'is predicted. query-version: the QEMU of the source. query-pci: where the guest placed the BARs of VFIO devices. ' +
      'qom-get: properties of VFIO devices, and of the vIOMMU.',
  });

export type QmpAnswer = z.infer<typeof qmpAnswer>;

/** A fact that QEMU told, where it stands in a descriptor, and in which of the answers. */
export interface QmpFact extends Placed {
  readonly at: Pointer;
}

/** What answers of QMP say of a VM. */
export interface QmpEvidence {
  readonly facts: readonly QmpFact[];
  /** Answers that are not read, a sentence each. */
  readonly notes: readonly string[];
  readonly faults: readonly Fault[];
}

type Told =
  | { readonly pointer: Pointer; readonly to: unknown }
  | { readonly note: string }
  | { readonly wrong: string };

/** What the running QEMU that gave `answers` says of `vm`, which may be anything; pointers to an answer are below `at`. */
export function readQmp(answers: readonly QmpAnswer[], vm: unknown, at: Pointer): QmpEvidence {
  const listed = membersOf(vm)?.['vfio'];
  const vfio = Array.isArray(listed) ? listed.map((each: unknown): VfioDescriptor => membersOf(each) ?? {}) : [];
  const facts: QmpFact[] =
    answers.length === 0 ? [] : [{ pointer: '/state', to: 'running' satisfies Descriptor['state'], at }];
  const notes: string[] = [];
  const faults: Fault[] = [];
  for (const [index, answer] of answers.entries()) {
    const place = `${member(at, index)}/return`;
    for (const told of tell(answer, vfio)) {
      if ('note' in told) notes.push(told.note);
      else if ('wrong' in told) faults.push({ pointer: place, detail: told.wrong });
      else facts.push({ ...told, at: place });
    }
  }
  return { facts, notes, faults };
}

function* tell(answer: QmpAnswer, vfio: readonly VfioDescriptor[]): Generator<Told> {
  const { execute, arguments: asked = {}, return: value } = answer;
  if (value === undefined) {
    yield { note: `QEMU did not answer ${execute}.` };
    return;
  }
  switch (execute) {
    case 'query-migrate':
      return yield* blockedReasons(value);
    case 'query-version':
      return yield* version(value);
    case 'query-pci':
      return yield* pciBars(value, vfio);
    case 'qom-get':
      return yield* property(String(asked['path']), String(asked['property']), value, vfio);
    default:
      yield { note: `The answer of QEMU to ${execute} is not read.` };
  }
}

/** The member is there only while there are reasons (qapi/migration.json, MigrationInfo). */
function* blockedReasons(value: unknown): Generator<Told> {
  const reasons = membersOf(value)?.['blocked-reasons'] ?? [];
  if (!membersOf(value) || !Array.isArray(reasons)) yield { wrong: 'is no answer to query-migrate' };
  else yield { pointer: '/vm/runtime/blockedReasons', to: reasons };
}

function* version(value: unknown): Generator<Told> {
  const { major, minor, micro } = membersOf(membersOf(value)?.['qemu']) ?? {};
  const numbers = [major, minor, micro];
  if (!numbers.every(Number.isInteger)) yield { wrong: 'is no answer to query-version' };
  else yield { pointer: '/source/qemu', to: numbers.join('.') };
}

/** Memory BARs of the VFIO devices, on whatever bus; one that the guest has not placed is at -1. */
function* pciBars(value: unknown, vfio: readonly VfioDescriptor[]): Generator<Told> {
  const devices = new Map(devicesOn(value).map((each) => [each['qdev_id'], each]));
  if (devices.size === 0) yield { wrong: 'is no answer to query-pci' };
  for (const [index, device] of vfio.entries()) {
    const regions = devices.get(deviceId(device, index))?.['regions'];
    if (!Array.isArray(regions)) continue;
    const bars = regions.flatMap((region: unknown) => {
      const { type, address, size } = membersOf(region) ?? {};
      const isPlaced = type === 'memory' && isAmount(address) && isAmount(size);
      return isPlaced ? [{ gpa: `0x${address.toString(16)}`, size }] : [];
    });
    yield { pointer: `/vm/vfio/${index}/pciBars`, to: bars };
  }
}

/** Devices on all of `buses`, those behind bridges included. */
function devicesOn(buses: unknown): Readonly<Record<string, unknown>>[] {
  const found: Readonly<Record<string, unknown>>[] = [];
  const left: unknown[] = Array.isArray(buses) ? [...buses] : [];
  for (const bus of left) {
    const devices = membersOf(bus)?.['devices'];
    for (const each of Array.isArray(devices) ? devices : []) {
      const device = membersOf(each);
      if (!device) continue;
      found.push(device);
      const bridge = membersOf(device['pci_bridge']);
      if (bridge) left.push(bridge);
    }
  }
  return found;
}

type Property<Field> = Readonly<Record<string, Field>>;

const VFIO_PROPERTIES: Property<keyof VfioDescriptor> = {
  host: 'host',
  'enable-migration': 'enableMigration',
  'x-enable-migration': 'enableMigration',
  'x-device-dirty-page-tracking': 'deviceDirtyTracking',
  'x-pre-copy-dirty-page-tracking': 'preCopyDirtyTracking',
  'x-migration-multifd-transfer': 'multifdTransfer',
  'x-migration-max-queued-buffers-size': 'maxQueuedBuffersSize',
  'x-ramfb-migrate': 'ramfbMigrate',
  ats: 'ats',
};

const VIOMMU_PROPERTIES: Property<keyof ViommuDescriptor> = {
  'aw-bits': 'addressWidth',
  'caching-mode': 'cachingMode',
  'scalable-mode': 'scalableMode',
  'x-scalable-mode': 'scalableMode',
  fsts: 'firstStage',
  'x-flts': 'firstStage',
  fs1gp: 'firstStage1g',
  'snoop-control': 'snoopControl',
  'dma-drain': 'dmaDrain',
  'device-iotlb': 'deviceIotlb',
  'dma-translation': 'dmaTranslation',
  'pasid-bits': 'pasidBits',
  svm: 'svm',
  eim: 'eim',
  intremap: 'intremap',
  'dma-remap': 'dmaRemap',
  'pci-id': 'pciId',
  granule: 'granule',
  'boot-bypass': 'bootBypass',
  accel: 'accel',
};

/** Fields in which a descriptor has a boolean where QEMU has on, off and auto. */
const CHOSEN: ReadonlySet<keyof ViommuDescriptor> = new Set(['eim', 'intremap']);

/** A VFIO device is found by its id, at the end of `path`; what is no VFIO device is taken for the vIOMMU. */
function* property(path: string, name: string, value: unknown, vfio: readonly VfioDescriptor[]): Generator<Told> {
  const index = vfio.findIndex((device, place) => path.endsWith(`/${deviceId(device, place)}`));
  if (index >= 0 && Object.hasOwn(VFIO_PROPERTIES, name)) {
    const to = typeof value === 'boolean' ? (value ? 'on' : 'off') : value;
    yield { pointer: `/vm/vfio/${index}/${VFIO_PROPERTIES[name]}`, to };
    return;
  }
  const field = index < 0 && Object.hasOwn(VIOMMU_PROPERTIES, name) ? VIOMMU_PROPERTIES[name] : undefined;
  if (field === undefined) yield { note: `QEMU’s ${name} of ${path} is not read.` };
  else if (!CHOSEN.has(field)) yield { pointer: `/vm/viommu/${field}`, to: value };
  else if (value !== 'auto') yield { pointer: `/vm/viommu/${field}`, to: value === 'on' || value === true };
}

const membersOf = (value: unknown): Readonly<Record<string, unknown>> | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, unknown>>)
    : undefined;

const isAmount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
