import { constant, lacking, no, read, yes } from '../../../src/descriptor/fact.ts';
import { readHost } from '../../../src/descriptor/host.ts';
import { readMigration } from '../../../src/descriptor/migration.ts';
import { readVm } from '../../../src/descriptor/vm.ts';
import type { Container } from '../../../src/descriptor/container.ts';
import type { Device, EnableMigration } from '../../../src/descriptor/device.ts';
import type { Scenario } from '../../../src/descriptor/scenario.ts';
import { isRefusal } from '../../../src/rules/finding.ts';
import { judge } from '../../../src/rules/judge.ts';
import { coverableBytes } from 'migration-preflight/simulator';
import type { Format } from '../format.ts';

interface Case {
  ram_size: string;
  dirty_pgsizes: string;
  max_dirty_bitmap_size: string;
  backend: 'legacy' | 'iommufd';
  container_dirty_pages_supported: boolean;
  device_dirty_pages_supported: boolean;
  device_dirty_page_tracking: 'on' | 'off' | 'auto';
  iommu_dirty_tracking: boolean;
  enable_migration: EnableMigration;
  viommu: boolean;
  exceeds_merged_int_shift: boolean | null;
  exceeds_11_0: boolean | null;
  realize_10_2: string;
  realize_11_0: string;
  warns_11_0: number;
}

/** QEMU's RAM limit, and through the rules what `vfio_migration_realize` of 10.2 and of 11.0 comes to. */
export const exceedLimit: Format = {
  file: 'exceed-limit',
  *replay(content) {
    for (const testCase of (content as { cases: Case[] }).cases) yield replayCase(testCase);
  },
};

function replayCase(given: Case): true | string {
  const limit = coverableBytes(BigInt(given.max_dirty_bitmap_size), BigInt(given.dirty_pgsizes));
  // The container must track for the limit to be looked at; the columns are null where C leaves the answer open.
  const exceeds = given.container_dirty_pages_supported && BigInt(given.ram_size) > limit;
  for (const column of ['exceeds_merged_int_shift', 'exceeds_11_0'] as const) {
    if (given[column] !== null && given[column] !== exceeds) return `${column}: ${exceeds}`;
  }
  for (const [qemu, column] of [
    ['10.2.2', 'realize_10_2'],
    ['11.0', 'realize_11_0'],
  ] as const) {
    const { outcome, warnings } = realize(given, qemu, limit);
    const expected = given[column].replace('undefined:', 'blocked:');
    if (outcome !== expected) return `${column}: ${outcome}, not ${expected}`;
    if (column === 'realize_11_0' && warnings !== given.warns_11_0) return `warns_11_0: ${warnings}`;
  }
  return true;
}

const reasons: Readonly<Record<string, string>> = {
  'vfio-migration-disabled': 'disabled',
  'vfio-dirty-tracking': 'no-dirty-tracking',
  'vfio-ram-limit': 'large-memory',
  'vfio-viommu': 'viommu',
};

/** The first refusal of a device of which only what the case tells is left open, and the warnings before it. */
function realize(given: Case, qemu: string, limit: bigint): { outcome: string; warnings: number } {
  const findings = judge(scenarioOf(given, qemu, limit)).filter(({ shadowedBy }) => shadowedBy === undefined);
  const refusal = findings.find(isRefusal);
  return {
    outcome: refusal ? `blocked:${reasons[refusal.rule.id] ?? refusal.rule.id}` : 'allowed',
    warnings: findings.filter(({ effect, outcome }) => effect === 'warning' && outcome === 'fires').length,
  };
}

function scenarioOf(given: Case, qemu: string, limit: bigint): Scenario {
  const host = readHost('source', { qemu }, true);
  const device: Device = {
    id: 'dev0',
    name: '0000:3b:00.1',
    pointer: '/vm/vfio/0',
    type: 'vfio-pci',
    isPreparedForMigration: true,
    backend: constant(given.backend),
    enableMigration: read('/vm/vfio/0', 'enableMigration', given.enable_migration, 'given'),
    protocol: constant('v2'),
    stopCopy: constant(true),
    p2p: constant(true),
    initialisesMigration: constant(true),
    tracksDirtyPages: constant(given.device_dirty_pages_supported && given.device_dirty_page_tracking !== 'off'),
    hwptTracksDirtyPages: constant(given.iommu_dirty_tracking),
    behindViommu: constant(given.viommu),
    multifdTransfer: constant('auto'),
    ramfbMigrate: constant('auto'),
    soFar: {
      otherInitialisesMigration: no,
      initialisesMigration: yes,
      lacksP2p: no,
      behindViommu: constant(given.viommu),
    },
    loggingBits: { min: 0, max: 64, maxRanges: 3 },
    descriptor: {},
    abilities: undefined,
  };
  const container: Container = {
    id: 'container0',
    addressSpace: 'memory',
    backend: device.backend,
    devices: [device],
    leavesUntracked: () => constant(false),
    tracker: constant('type1'),
    limit: constant(null),
    tracksDirtyPages: () => constant(given.container_dirty_pages_supported),
    ramLimit: constant(limit),
    transitions: [],
    mayBeEmpty: true,
    sections: notAsked,
    runs: notAsked,
    trackingStart: notAsked,
    sync: notAsked,
    needs: notAsked,
  };
  const descriptor = { vm: { memory: given.ram_size, vfio: [] }, source: {} };
  return {
    side: 'source',
    host,
    vm: readVm(descriptor, host.qemuVersion),
    migration: readMigration(descriptor),
    disks: [],
    others: [],
    devices: [device],
    containers: [container],
    containersBefore: [],
    needs: () => notAsked,
    convergence: () => notAsked,
  };
}

/** What a device's realize function does not look at. */
const notAsked = lacking();
