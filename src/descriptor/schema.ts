import * as z from 'zod';
import { PACKED_MAX, PACKED_MIN } from '../platform/version.ts';
import { behaviourValues } from '../simulator/index.ts';
import { HEX_PATTERN, SIZE_PATTERN } from './quantities.ts';

/**
 * The one source of the request's types, of the JSON Schema that Ajv enforces at the door, and of the OpenAPI document.
 * zod itself runs in no request. A `title` says what a value must be, in the words of an error message.
 */

export const size = z
  .union([z.int().min(0), z.string().regex(new RegExp(SIZE_PATTERN)).max(32)])
  .meta({ id: 'Size', title: 'a size: a whole number of bytes, "12TiB" or "0x…"', examples: ['4GiB', 4294967296] });
export const hexAddress = z
  .string()
  .regex(new RegExp(HEX_PATTERN))
  .meta({ id: 'Hex', title: 'a 64-bit hex string such as "0xfee00000"', examples: ['0xfef00000'] });
/** VFIO devices that a VM may have, and that a host may list. */
export const DEVICES_MAX = 256;

/** Devices beside those that a VM may have. */
export const OTHER_DEVICES_MAX = 1024;

/** Labels that a VM may have. */
export const LABELS_MAX = 64;

/** The longest name of a VM, a device or whoever asks, in UTF-16 units. */
export const NAME_MAX = 256;

export const name = z.string().min(1).max(NAME_MAX);
const version = z
  .union([z.string().min(1).max(128), z.int().min(PACKED_MIN).max(PACKED_MAX)])
  .meta({ id: 'Version', title: 'a version such as "10.2.2" or "1:11.1.3+ds-1"', examples: ['10.2.2', 10002002] });
const bits = z.int().min(1).max(64);
const onOff = z.enum(['on', 'off']);

const viommu = z
  .strictObject({
    model: z.enum(['intel', 'virtio', 'amd', 'smmuv3']),
    addressWidth: bits.optional().describe('Bits of IOVA (aw-bits). Default: by machine type and QEMU version.'),
    cachingMode: z.boolean().optional().describe('Default: false.'),
    scalableMode: z.boolean().optional().describe('Default: false.'),
    firstStage: z.boolean().optional(),
    firstStage1g: z.boolean().optional(),
    snoopControl: z.boolean().optional(),
    dmaDrain: z.boolean().optional(),
    deviceIotlb: z.boolean().optional(),
    dmaTranslation: z.boolean().optional(),
    pasidBits: z.int().min(0).max(64).optional(),
    svm: z.boolean().optional(),
    eim: z.boolean().optional(),
    intremap: z.boolean().optional(),
    dmaRemap: z.boolean().optional(),
    pciId: name.optional(),
    granule: name.optional(),
    bootBypass: z.boolean().optional(),
    accel: z.boolean().optional(),
  })
  .meta({ id: 'Viommu', description: 'The guest IOMMU that the devices sit behind.' });

export const mapping = z
  .strictObject({ iova: hexAddress, pageSize: size, count: z.int().min(1), gpa: hexAddress.optional() })
  .meta({ id: 'Mapping', description: '`count` guest mappings of `pageSize` bytes each, back to back from `iova`.' });

const position = z
  .int()
  .min(0)
  .optional()
  .describe('Place on QEMU’s command line among all devices. Default: other devices, then VFIO devices, as listed.');

const vfioDevice = z
  .strictObject({
    id: name.optional().describe('Default: "dev" and its place in the list.'),
    host: name.optional().describe('PCI address or mdev UUID: the name in QEMU’s messages. Default: the id.'),
    type: z
      .enum(['vfio-pci', 'mdev', 'vfio-ap', 'vfio-ccw', 'vfio-user-pci'])
      .optional()
      .describe('Default: vfio-pci.'),
    backend: z.enum(['legacy', 'iommufd']).optional().describe('Default: legacy.'),
    iommufdObject: name.optional().describe('Devices of one object may share a container. Only with iommufd.'),
    group: z.int().min(0).optional(),
    address: z
      .strictObject({
        bus: name.optional(),
        bypassIommu: z.boolean().optional(),
        behindPciBridge: z.boolean().optional(),
      })
      .optional(),
    position,
    unpluggedForMigration: z.boolean().optional().describe('Failover primary or teaming: true. Default: false.'),
    enableMigration: z.enum(['on', 'off', 'auto']).optional().describe('Default: auto; off in QEMU 7.2 and 8.0.'),
    deviceDirtyTracking: onOff.optional().describe('x-device-dirty-page-tracking. Default: on.'),
    preCopyDirtyTracking: onOff.optional().describe('Default: on.'),
    multifdTransfer: z.enum(['on', 'off', 'auto']).optional(),
    maxQueuedBuffersSize: size.optional(),
    ramfbMigrate: z.enum(['on', 'off', 'auto']).optional(),
    ats: z.enum(['on', 'off', 'auto']).optional(),
    guestDomain: z.enum(['dma', 'identity', 'blocking']).optional().describe('What the guest attached the device to.'),
    mappings: z.array(mapping).max(100_000).optional().describe('What the guest’s DMA domain maps. Unknown: bounds.'),
    pciBars: z
      .array(z.strictObject({ gpa: hexAddress, size }))
      .max(64)
      .optional()
      .describe('Memory BARs as the guest placed them, which VFIO maps too. Default: none are counted.'),
  })
  .meta({ id: 'VfioDevice', description: 'A VFIO device of the VM, in the order of QEMU’s command line.' });

const property = z.union([z.string().max(1024), z.number(), z.boolean()]);

export const vm = z
  .strictObject({
    name: name.optional(),
    labels: z
      .record(name, z.string().max(256))
      .meta({ maxProperties: LABELS_MAX })
      .optional()
      .describe('What the site’s policy may tell VMs apart by, such as a tenant or a class. Default: none.'),
    machine: name.optional().describe('Machine type, such as pc-q35-10.2.'),
    accel: z.enum(['kvm', 'tcg']).optional().describe('Default: kvm.'),
    kernelIrqchip: z.enum(['on', 'split', 'off']).optional(),
    onlyMigratable: z.boolean().optional().describe('-only-migratable. Default: false.'),
    memory: size.describe('Boot RAM (-m).'),
    maxMemory: size.optional(),
    slots: z.int().min(0).max(256).optional(),
    maxRamBelow4g: size.optional(),
    memoryBackends: z
      .array(z.strictObject({ size, share: z.boolean().optional(), guestMemfd: z.boolean().optional() }))
      .max(256)
      .optional(),
    hotplugged: z
      .array(
        z.strictObject({
          model: z.enum(['dimm', 'virtio-mem']),
          size: size.describe('Of a virtio-mem: what is plugged of it.'),
          blockSize: size.optional().describe('Of a virtio-mem: what it is plugged in. Default: 2MiB.'),
        }),
      )
      .max(256)
      .optional(),
    cpu: z
      .strictObject({
        vendor: name.optional(),
        physBits: bits.optional(),
        invtsc: z.boolean().optional(),
        tscFrequency: z.int().min(0).optional(),
        hvPassthrough: z.boolean().optional(),
        hvNoNonarchCoresharing: z.enum(['on', 'off', 'auto']).optional(),
      })
      .optional(),
    confidential: z.enum(['none', 'sev', 'sev-es', 'sev-snp', 'tdx']).optional().describe('Default: none.'),
    viommu: viommu.nullable().optional().describe('Default: none.'),
    defaultBusBypassIommu: z.boolean().optional().describe('Default: false.'),
    vfio: z.array(vfioDevice).max(DEVICES_MAX),
    otherDevices: z
      .array(
        z.strictObject({
          type: name.describe('QEMU’s name of the device model, such as "nvme" or "virtio-crypto-pci".'),
          id: name.optional(),
          path: name
            .optional()
            .describe('QEMU’s path of the device in messages, such as "0000:00:01.0/virtio-crypto".'),
          position,
          properties: z
            .record(name, property)
            .optional()
            .describe('As on QEMU’s command line; with "netdev.type", "fsdev.path" and the like of what they name.'),
          backend: z
            .record(name, z.boolean())
            .optional()
            .describe(
              'What the backend of the device can do. Of vhost: log-all (VHOST_F_LOG_ALL), log-shmfd ' +
                '(VHOST_USER_PROTOCOL_F_LOG_SHMFD), device-state (of virtiofs), shared-memory-regions (whether it has ' +
                'any), shadow-virtqueue (whether one knows all features of the vDPA device). Of a TPM: state-blob. ' +
                'Default: unknown for vhost-user and vDPA; any other is taken to be able.',
            ),
        }),
      )
      .max(OTHER_DEVICES_MAX)
      .optional(),
    disks: z
      .array(
        z.strictObject({
          node: name.describe('QEMU’s name of the block node.'),
          format: name.describe('The block driver; vvfat stands for a directory that the guest may write to.'),
        }),
      )
      .max(1024)
      .optional(),
    runtime: z
      .strictObject({
        blockedReasons: z.array(z.string().max(4096)).max(256).optional(),
        mounted9p: z.boolean().optional(),
        dumping: z.boolean().optional(),
        poisonedMemory: z.boolean().optional(),
        suspended: z.boolean().optional().describe('Whether the guest is suspended to RAM.'),
      })
      .optional(),
  })
  .meta({ id: 'Vm' });

const hostDevice = z
  .strictObject({
    driver: name.optional().describe('VFIO driver that the device is bound to.'),
    protocol: z.enum(['v1', 'v2', 'none']).optional().describe('Migration protocol of the driver.'),
    stopCopy: z.boolean().optional(),
    p2p: z.boolean().optional(),
    preCopy: z.boolean().optional(),
    dmaLogging: z.boolean().optional(),
    dmaLoggingAddressSpace: z
      .strictObject({ minBits: bits.optional(), maxBits: bits.optional(), maxRanges: z.int().min(1).optional() })
      .optional(),
    ats: z.boolean().optional(),
  })
  .meta({
    id: 'HostDevice',
    description: 'What a device can do. What is left out is derived from the driver, or unknown.',
  });

const behaviours = z
  .strictObject(
    Object.fromEntries(Object.entries(behaviourValues).map(([key, values]) => [key, z.enum(values).optional()])),
  )
  .meta({ id: 'Behaviours', description: 'Overrides for a QEMU that was patched: what it does, by name.' });

export const host = z
  .strictObject({
    profile: name.optional().describe('A host profile of the service’s configuration; what is said beside it wins.'),
    qemu: version.optional().describe('Version of the QEMU process.'),
    kernel: version.optional(),
    libvirt: version.optional(),
    pageSize: size.optional().describe('Default: 4KiB on x86.'),
    memory: size.optional(),
    memlockLimit: z.union([size, z.literal('unlimited')]).optional(),
    iommu: z
      .strictObject({
        vendor: name.optional(),
        dirtyTracking: z.boolean().optional(),
        addressWidth: bits.optional(),
        firstStage1g: z.boolean().optional(),
        pasidBits: z.int().min(0).max(64).optional(),
        errata772415: z.boolean().optional(),
      })
      .optional(),
    iommufd: z.boolean().optional(),
    type1: z
      .strictObject({
        emulatedByIommufd: z.boolean().optional().describe('Default: false.'),
        maxDirtyBitmapSize: size.optional().describe('Default: 256MiB.'),
        trackingPageSize: size.optional().describe('Default: the host’s page size.'),
        dmaEntryLimit: z.int().min(0).optional().describe('Default: 65535.'),
        unmapAll: z.boolean().optional(),
        updateVaddr: z.boolean().optional(),
      })
      .optional(),
    devices: z.record(name, hostDevice).optional().describe('By the id of the VFIO device.'),
    behaviours: behaviours.optional(),
  })
  .meta({
    id: 'Host',
    description: 'The machine that runs QEMU. What is left out is unknown unless a default is named.',
  });

const migration = z
  .strictObject({
    mode: z
      .enum(['normal', 'cpr-reboot', 'cpr-transfer', 'cpr-exec', 'snapshot'])
      .optional()
      .describe('Default: normal.'),
    capabilities: z.array(name).max(64).optional(),
    parameters: z
      .strictObject({
        multifdCompression: name.optional(),
        sendSwitchoverStart: z.boolean().optional(),
        tls: z.boolean().optional(),
        downtimeLimitMs: z
          .int()
          .min(0)
          .optional()
          .describe('Milliseconds that the guest may be stopped for. Default: 300.'),
        bandwidth: size
          .optional()
          .describe('Bytes a second that the migration gets. Unknown, or 0: convergence is not judged.'),
      })
      .optional(),
    guestEvents: z
      .array(z.enum(['unmap', 'domain-switch', 'reset', 'hotplug', 'dirty-rate']))
      .max(5)
      .optional()
      .describe('What the guest may do meanwhile. Default: anything but hotplug.'),
  })
  .meta({ id: 'Migration' });

export const descriptor = z
  .strictObject({
    ref: z.string().max(NAME_MAX).optional().describe('Comes back in the answer.'),
    state: z.enum(['planned', 'running']).optional().describe('Default: planned.'),
    closed: z.boolean().optional().describe('Whether what is not listed is absent. Default: true.'),
    vm,
    source: host,
    destination: host.optional().describe('Default: a host like the source.'),
    migration: migration.optional(),
  })
  .meta({ id: 'Descriptor', description: 'A VM, the host it is on, and what is about to be done.' });

export type Descriptor = z.infer<typeof descriptor>;
export type VmDescriptor = Descriptor['vm'];
export type ViommuDescriptor = NonNullable<VmDescriptor['viommu']>;
export type VfioDescriptor = VmDescriptor['vfio'][number];
export type HostDescriptor = Descriptor['source'];
export type HostDeviceDescriptor = NonNullable<HostDescriptor['devices']>[string];
