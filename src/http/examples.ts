import { type LoggedDecision, recordOf } from '../decision-log/logged-decision.ts';
import type { Descriptor } from '../descriptor/schema.ts';
import type { Envelope } from './envelope.ts';
import type { SimulationRequest } from '../descriptor/simulation.ts';
import { evaluate } from '../evaluation/evaluate.ts';
import type { PlacementRequest } from '../evaluation/placements-schema.ts';

/** A request that the document and the README show; the answer beside it is produced by running it. */
interface Example<Request> {
  readonly summary: string;
  readonly request: Request;
}

/** By the name that the OpenAPI document gives them. */
export type Examples<Request> = Readonly<Record<string, Example<Request>>>;

const behindIntel: Descriptor['vm'] = {
  machine: 'pc-q35-10.2',
  memory: '4GiB',
  viommu: { model: 'intel', addressWidth: 48, cachingMode: true },
  vfio: [{ id: 'dev0', host: '0000:3b:00.1', backend: 'legacy', enableMigration: 'on', guestDomain: 'dma' }],
};

const host: Descriptor['source'] = {
  qemu: '10.2.2',
  kernel: '7.1',
  pageSize: '4KiB',
  memlockLimit: 'unlimited',
  iommu: { vendor: 'intel', dirtyTracking: false, addressWidth: 48 },
  devices: { dev0: { protocol: 'v2', stopCopy: true, p2p: true, preCopy: true, dmaLogging: false } },
};

export const examples: Examples<Descriptor> = {
  'domain-switch': {
    summary: 'The bug this began with: a guest leaves its DMA domain and QEMU unmaps the whole aperture',
    request: { vm: behindIntel, source: { ...host, behaviours: { viommuBlock: 'device-tracking' } } },
  },
  'vfio-behind-viommu': {
    summary: 'The same VM on QEMU 10.2.2 as released: the device refuses to start',
    request: { vm: behindIntel, source: host },
  },
  'ram-limit': {
    summary: 'Guest RAM one page over what a type1 dirty bitmap covers, QEMU 11.1',
    request: {
      vm: {
        machine: 'pc-q35-11.1',
        memory: '0x80000001000',
        vfio: [{ id: 'dev0', host: '0000:3b:00.1', enableMigration: 'on' }],
      },
      source: { ...host, qemu: '11.1.3' },
    },
  },
  unknown: {
    summary: 'Nothing is known of the host: what is missing, and what each answer would decide',
    request: {
      vm: { machine: 'pc-q35-10.2', memory: '4GiB', vfio: [{ id: 'dev0', host: '0000:3b:00.1' }] },
      source: { qemu: '10.2.2' },
    },
  },
};

const logging: Descriptor['source'] = {
  ...host,
  devices: { dev0: { driver: 'mlx5_vfio_pci', stopCopy: true, p2p: true, preCopy: true } },
};

/** Where a VM may go, for `/v1/placements`. */
export const placementExamples: Examples<PlacementRequest> = {
  'three-hosts': {
    summary: 'One host takes the VM, one cannot start its device, and of one it is not known which driver it has',
    request: {
      vm: { machine: 'pc-q35-10.2', memory: '4GiB', vfio: [{ id: 'dev0', host: '0000:3b:00.1' }] },
      source: logging,
      candidates: [
        { ref: 'node1', host: { ...logging, devices: { dev0: { driver: 'vfio-pci' } } } },
        { ref: 'node2', host: { qemu: '10.2.2', kernel: '7.1' } },
        { ref: 'node3', host: logging },
      ],
    },
  },
};

const patched: Descriptor['source'] = { ...host, behaviours: { viommuBlock: 'device-tracking' } };

/** What a guest may do, for `/v1/simulations`. */
export const simulationExamples: Examples<SimulationRequest> = {
  'domain-switch-by-step': {
    summary: 'The bug this began with, step by step',
    request: {
      vm: behindIntel,
      source: patched,
      events: [
        { type: 'tracking-start', by: 'migration' },
        { type: 'switch', to: 'blocking' },
      ],
    },
  },
  'stale-mapping': {
    summary:
      'QEMU 11.1 leaves mapped what lies above the interrupt window, forgets it at a dirty sync, and cannot map it again',
    request: {
      vm: {
        ...behindIntel,
        vfio: [{ ...behindIntel.vfio[0], mappings: [{ iova: '0xfffff000', pageSize: '4KiB', count: 1 }] }],
      },
      source: { ...host, qemu: '11.1.3' },
      events: [
        { type: 'tracking-start', by: 'migration' },
        { type: 'switch', to: 'blocking' },
        { type: 'sync' },
        { type: 'switch', to: 'dma', mappings: [{ iova: '0xfffff000', pageSize: '4KiB', count: 1 }] },
      ],
    },
  },
  'ram-over-8tib': {
    summary: 'A guest leaves identity with a RAM section over 8 TiB: type1 cannot even start to track it',
    request: {
      vm: { ...behindIntel, memory: '10TiB', vfio: [{ ...behindIntel.vfio[0], guestDomain: 'identity' }] },
      source: { ...host, qemu: '11.1.3' },
      events: [
        { type: 'tracking-start', by: 'dirty-rate' },
        { type: 'switch', to: 'dma' },
      ],
    },
  },
};

/** A line of a log, for `/v1/rules`. */
export const exampleLine =
  'vfio_container_dma_unmap(0x55d1c8a3b2c0, 0x100000000000, 0x100000000000) = -7 (Argument list too long)';

/** The first example's device as libvirt writes it. */
export const exampleXml = `<domain type='kvm'>
  <name>web1</name>
  <memory unit='GiB'>4</memory>
  <os><type arch='x86_64' machine='pc-q35-10.2'>hvm</type></os>
  <features><ioapic driver='qemu'/></features>
  <devices>
    <hostdev mode='subsystem' type='pci' managed='yes'>
      <driver name='vfio' model='mlx5_vfio_pci'/>
      <source><address domain='0x0000' bus='0x3b' slot='0x00' function='0x1'/></source>
    </hostdev>
    <iommu model='intel'><driver intremap='on' caching_mode='on' aw_bits='48'/></iommu>
  </devices>
</domain>
`;

/** The same as QEMU is started. */
export const exampleArgv = `/usr/bin/qemu-system-x86_64 -name web1 -machine pc-q35-10.2,kernel-irqchip=split -accel kvm -m 4G \\
  -device intel-iommu,intremap=on,caching-mode=on,aw-bits=48 \\
  -device vfio-pci,host=0000:3b:00.1,id=hostdev0
`;

/** A document, and beside it what it lacks. */
export const envelopeExamples: Examples<Envelope> = {
  envelope: {
    summary: 'A domain XML, what it cannot know of the host, and what the running QEMU says of itself',
    request: {
      ref: 'web1',
      import: { format: 'libvirt-xml', document: exampleXml },
      vm: { vfio: [{ id: 'hostdev0', guestDomain: 'dma' }] },
      source: {
        kernel: '6.12',
        iommu: { vendor: 'intel', dirtyTracking: false, addressWidth: 48 },
        devices: { hostdev0: { stopCopy: true, p2p: true, preCopy: true } },
      },
      qmp: [
        { execute: 'query-version', return: { qemu: { major: 10, minor: 2, micro: 2 }, package: '' } },
        {
          execute: 'query-migrate',
          return: { 'blocked-reasons': ['0000:3b:00.1: Migration is currently not supported with vIOMMU enabled'] },
        },
      ],
    },
  },
};

/** Items of a batch. */
export const batchExamples: Examples<readonly (Descriptor | Envelope)[]> = {
  fleet: {
    summary: 'A descriptor, and a document in an envelope',
    request: [
      { ref: 'db1', ...examples['ram-limit']?.request } as Descriptor,
      {
        ref: 'web1',
        import: { document: exampleXml },
        source: { qemu: '10.2.2', kernel: '6.12', devices: { hostdev0: { stopCopy: true, p2p: true, preCopy: true } } },
      },
    ],
  },
};

/** Lines of a decision log, for `/v1/replays`. */
export function replayExamples(): Examples<readonly LoggedDecision[]> {
  const logged = (name: string, then: Partial<LoggedDecision>): LoggedDecision => {
    const descriptor = { ...examples[name]?.request, ref: name } as Descriptor;
    const decision = evaluate(descriptor);
    const record = recordOf(decision, descriptor, { notChecked: [], site: new Set() });
    const asked = {
      decisionId: decision.decisionId,
      requestId: '5c4b520c-6168-406f-8217-1409e8573e94',
      traceId: '5c4b520c6168406f82171409e8573e94',
      time: '2026-01-31T09:00:00.000Z',
    };
    return { ...asked, ...(JSON.parse(`{${record}`) as LoggedDecision), ...then };
  };
  const before = { decisionId: '0'.repeat(64), ruleset: '1-000000000000', verdict: 'allowed' } as const;
  return {
    decisions: {
      summary: 'A decision that an older ruleset made otherwise, and one that is as it was',
      request: [logged('ram-limit', { ...before, because: [], rules: [] }), logged('vfio-behind-viommu', {})],
    },
  };
}
