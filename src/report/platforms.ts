import * as z from 'zod';
import { DMA_ENTRY_LIMIT, kernelAbilityTable } from '../platform/kernel.ts';
import { libvirtFeatures } from '../platform/libvirt.ts';
import { defaultAddressWidth } from '../platform/machine.ts';
import { NEWEST_QEMU, qemuBehaviours } from '../platform/qemu.ts';
import { qemuSeries, releasesOf } from '../platform/releases.ts';
import { isAtLeast, parseVersion, type Release, type Version } from '../platform/version.ts';
import { vfioDrivers } from '../platform/vfio-driver.ts';
import { catalogue } from '../rules/recognise.ts';
import { type BehaviourName, type Behaviours, behaviourValues } from '../simulator/index.ts';
import { release, releases } from './catalogue.ts';

/** The one source of the platform tables' type and of its JSON Schema. */

const behaviour = z
  .strictObject({
    name: z.string().describe('What a host may override under /source/behaviours and /destination/behaviours.'),
    values: z.array(
      z.strictObject({
        value: z.string(),
        versions: releases.nullable().describe('QEMUs that have it; null: a patch that no release carried.'),
      }),
    ),
    bySeries: z.record(z.string(), z.string()).describe('The value of each release series.'),
    rules: z.array(z.string()).describe('Rules whose words and conditions go by it.'),
  })
  .meta({ id: 'Behaviour', description: 'Something that separates one QEMU from another.' });

export const platforms = z
  .strictObject({
    qemu: z.strictObject({ series: z.array(release), behaviours: z.array(behaviour) }),
    kernel: z.strictObject({
      abilities: z.array(z.strictObject({ name: z.string(), since: release, what: z.string(), evidence: z.string() })),
      dmaEntryLimit: z.int().describe('Mappings of a type1 container unless the module says otherwise.'),
    }),
    machineTypes: z.array(
      z
        .strictObject({
          board: z.enum(['q35', 'i440fx', 'virt']),
          since: release.optional().describe('Machine version, inclusive; absent: the oldest.'),
          until: release.optional().describe('Machine version, exclusive; absent: the newest and later ones.'),
          viommu: z.enum(['intel', 'virtio']),
          addressWidth: z.int().describe('Bits of IOVA unless aw-bits says otherwise.'),
        })
        .meta({ id: 'MachineDefault' }),
    ),
    drivers: z.array(
      z.strictObject({
        name: z.string(),
        protocol: z.enum(['v2', 'none']).optional().describe('Absent: not researched.'),
        dmaLogging: z
          .strictObject({
            since: release,
            notIn: release
              .optional()
              .describe('The last Linux that was seen without it; between the two is not known.'),
          })
          .nullable()
          .describe('Linux that has it; null: none so far.'),
      }),
    ),
    libvirt: z.array(
      z.strictObject({
        name: z.string(),
        since: release.nullable().describe('null: later than 11.3.'),
        what: z.string(),
      }),
    ),
  })
  .meta({
    id: 'Platforms',
    description: 'What each QEMU, kernel, machine type, VFIO driver and libvirt is taken to do.',
  });

type Platforms = z.infer<typeof platforms>;

const newest = parseVersion(NEWEST_QEMU) as Version;

/** Every release that a machine version may be named after, ascending; some of them never were. */
const machineVersions = Array.from(
  { length: (newest.major + 1) * 13 },
  (_, index): Release => `${Math.floor(index / 13)}.${index % 13}`,
).filter((each) => isAtLeast(newest, each));

/** What is known of every platform. */
export const knownPlatforms: Platforms = {
  qemu: {
    series: [...qemuSeries],
    behaviours: (Object.keys(behaviourValues) as BehaviourName[]).map((name) => ({
      name,
      values: behaviourValues[name].map((value) => ({
        value,
        versions: releasesOf(name, value),
      })),
      bySeries: Object.fromEntries(
        qemuSeries.map((series) => [series, (qemuBehaviours(parseVersion(series) as Version) as Behaviours)[name]]),
      ),
      rules: catalogue.filter((rule) => rule.behaviour === name).map(({ id }) => id),
    })),
  },
  kernel: { abilities: named(kernelAbilityTable), dmaEntryLimit: DMA_ENTRY_LIMIT },
  machineTypes: (['intel', 'virtio'] as const).flatMap((viommu) =>
    (['q35', 'i440fx', 'virt'] as const).flatMap((board) => addressWidths(viommu, board)),
  ),
  drivers: named(vfioDrivers),
  libvirt: named(libvirtFeatures),
};

function named<T extends object>(table: Readonly<Record<string, T>>): (T & { name: string })[] {
  return Object.entries(table).map(([name, each]) => ({ name, ...each }));
}

/** The default of each machine version, as few rows as there are changes. */
function addressWidths(
  viommu: 'intel' | 'virtio',
  board: Platforms['machineTypes'][number]['board'],
): Platforms['machineTypes'] {
  const rows: Platforms['machineTypes'] = [];
  let last: number | undefined;
  for (const since of machineVersions) {
    const addressWidth = defaultAddressWidth(viommu, board, parseVersion(since) as Version);
    if (addressWidth === last) continue;
    const before = rows.at(-1);
    if (before && last !== undefined) rows[rows.length - 1] = { ...before, until: since };
    if (addressWidth !== undefined) rows.push({ board, viommu, ...(last !== undefined && { since }), addressWidth });
    last = addressWidth;
  }
  return rows;
}
