import type { Answer } from './answer.ts';

/** Why an answer cannot be replayed. */
interface Exception {
  readonly reason: string;
  readonly applies: (answer: Answer) => boolean;
}

/** An answer in which QEMU printed what `words` match. */
const says =
  (words: RegExp) =>
  ({ stderr }: Answer): boolean =>
    stderr.some((line) => words.test(line));

/** Of whether a VM starts, and what `query-migrate` says. */
export const notOfStart: readonly Exception[] = [
  {
    reason: 'the machine it ran on has no such device',
    applies: says(/no such host device|no iommu_group found|'\/dev\/tpm0'|\/dev\/udmabuf|no drm render node/),
  },
  {
    reason: 'the machine it ran on has no such feature of KVM, or no KVM',
    applies: says(/TSC scaling unavailable|Xen HVM guest support not present|requires kvm/),
  },
  {
    reason: 'the host IOMMU it ran on does not nest page tables',
    applies: says(/Failed to allocate hwpt: Operation not supported/),
  },
  {
    reason: 'this build of QEMU, or its installation, has no such device',
    applies: says(
      /is not a valid device model name|missing object type|invalid object type|failed to initialize module/,
    ),
  },
  {
    reason: 'a property by a name that only other versions have',
    applies: (answer) =>
      says(/Property '(?:intel-iommu\.(?:x-scalable-mode|pss|pt)|kvm-accel\.xen-version)' not found/)(answer) ||
      (answer.qemu.startsWith('11.') && says(/Property 'intel-iommu\.x-flts' not found/)(answer)),
  },
  {
    reason:
      'it turns on what no descriptor tells: how many vCPUs there may be, the bus of a virtio-iommu, ril of an SMMU',
    applies: says(/current -smp configuration|must be plugged on the root bus|ril can only be disabled/),
  },
  {
    reason: 'a backend or display that the device needs is missing from the command line',
    applies: says(/Failed to set msg fds|does not have OpenGL support|Cannot find PCI device/),
  },
];

/** Of what `migrate` says. */
export const notOfMigrate: readonly Exception[] = [
  {
    reason: 'the device was made to fail as it starts to log',
    applies: ({ id }) => id.startsWith('log_start fails'),
  },
  {
    reason: 'the device was left in another state by the case before',
    applies: ({ migrate }) => migrate?.some((line) => line.includes('Failed setting device state')) === true,
  },
  {
    reason: 'where the migration was to go, or what was to run, is not told to a descriptor',
    applies: ({ migrate }) => migrate?.some((line) => /seekable transport|cpr-exec-command/.test(line)) === true,
  },
];

/** The reason why `answer` is among `exceptions`. */
export const reasonIn = (exceptions: readonly Exception[], answer: Answer): string | undefined =>
  exceptions.find(({ applies }) => applies(answer))?.reason;
