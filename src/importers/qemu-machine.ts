import { formatSize } from '../descriptor/quantities.ts';
import type { VmDescriptor } from '../descriptor/schema.ts';
import { given } from './imported.ts';
import type { CommandLine } from './qemu-command-line.ts';
import {
  choiceOf,
  integerOf,
  merged,
  nameOf,
  type Options,
  parseOptions,
  sizeOf,
  switchOf,
  textOf,
} from './qemu-options.ts';
import { quoted } from './qemu-remarks.ts';

/** What the machine's options say of a VM. */
export function machineOf(
  line: CommandLine,
): Pick<VmDescriptor, 'machine' | 'kernelIrqchip' | 'maxRamBelow4g' | 'confidential' | 'defaultBusBypassIommu'> {
  const { machine, remarks } = line;
  const below4g = sizeOf(machine, 'max-ram-below-4g', remarks);
  return {
    machine: line.machineType,
    kernelIrqchip: choiceOf(machine, 'kernel-irqchip', IRQCHIPS, remarks) ?? acceleratorIrqchip(line),
    maxRamBelow4g: below4g === undefined ? undefined : formatSize(below4g),
    confidential: confidentialOf(line),
    defaultBusBypassIommu: switchOf(machine, 'default-bus-bypass-iommu', remarks),
  };
}

const IRQCHIPS: ReadonlyMap<string, 'on' | 'split' | 'off'> = new Map([
  ['on', 'on'],
  ['split', 'split'],
  ['off', 'off'],
]);

const accelerators = ({ all, remarks }: CommandLine): Options[] =>
  all('accel').map((at) => parseOptions(at, 'accel', remarks));

const acceleratorIrqchip = (line: CommandLine): 'on' | 'split' | 'off' | undefined =>
  accelerators(line)
    .map((options) => choiceOf(options, 'kernel-irqchip', IRQCHIPS, line.remarks))
    .find((found) => found !== undefined);

/**
 * The first accelerator that is asked for. QEMU asks for TCG by itself, unless its name ends in "kvm"; what a command line
 * without a name runs on is left open.
 */
export function accelOf(line: CommandLine): VmDescriptor['accel'] {
  const { all, machine, program, remarks } = line;
  const named = accelerators(line).map((options) => textOf(options, 'accel'));
  const [first] = [
    ...named,
    ...(textOf(machine, 'accel')?.split(':') ?? []),
    ...(all('enable-kvm').length > 0 ? ['kvm'] : []),
    ...(program === undefined ? [] : [program.endsWith('kvm') ? 'kvm' : 'tcg']),
  ];
  if (first === undefined || first === 'kvm' || first === 'tcg') return first;
  remarks.unread(`accelerator ${first}`);
  return undefined;
}

/** Bit of `policy` by which SEV encrypts registers too (SEV-ES). */
const SEV_POLICY_ES = 4;

/** How the object that the machine names protects the guest. */
function confidentialOf({ machine, objects, remarks }: CommandLine): VmDescriptor['confidential'] {
  const id = textOf(machine, 'confidential-guest-support') ?? textOf(machine, 'memory-encryption');
  const guest = id === undefined ? undefined : objects.get(id);
  const type = textOf(guest, 'qom-type');
  switch (type) {
    case undefined:
      if (id !== undefined) remarks.unread(`confidential-guest-support=${id}`);
      return undefined;
    case 'sev-guest': {
      const policy = integerOf(guest, 'policy', [0, 0xffffffff], remarks) ?? 0;
      return (policy & SEV_POLICY_ES) === 0 ? 'sev' : 'sev-es';
    }
    case 'sev-snp-guest':
      return 'sev-snp';
    case 'tdx-guest':
      return 'tdx';
    default:
      remarks.unread(`-object ${type}`);
      return undefined;
  }
}

/** What a machine of QEMU has without `-m`. */
const DEFAULT_MEMORY = 128n << 20n;

/** QEMU rounds `-m` up to multiples of this. */
const MEMORY_ALIGNMENT = 8192n;

type Memory = Pick<VmDescriptor, 'memory' | 'maxMemory' | 'slots' | 'memoryBackends'>;

/** Boot RAM, the room for more, and the objects that boot RAM is made of, where it is made of any. */
export function memoryOf(line: CommandLine, confidential: VmDescriptor['confidential']): Memory {
  const { all, machine, remarks } = line;
  const options = merged(all('m').map((at) => parseOptions(at, 'size', remarks)));
  const backends = bootBackends(line, confidential);
  const isWhole = textOf(machine, 'memory-backend') !== undefined;
  const size = sizeOf(options, 'size', remarks, 'M') || (isWhole && backends[0]?.size) || DEFAULT_MEMORY;
  const maximum = sizeOf(options, 'maxmem', remarks);
  return {
    memory: formatSize(((size + MEMORY_ALIGNMENT - 1n) / MEMORY_ALIGNMENT) * MEMORY_ALIGNMENT),
    maxMemory: maximum === undefined ? undefined : formatSize(maximum),
    slots: integerOf(options, 'slots', [0, 256], remarks),
    memoryBackends:
      backends.length > 0
        ? backends.map(({ size: bytes, share, guestMemfd }) => given({ size: formatSize(bytes), share, guestMemfd }))
        : undefined,
  };
}

/** Memory backends that a descriptor may list. */
const MEMORY_BACKENDS_MAX = 256;

interface MemoryBackend {
  readonly size: bigint;
  readonly share: boolean;
  readonly guestMemfd: boolean | undefined;
}

/** What `-machine memory-backend=` or the NUMA nodes name. A guest of SEV-SNP or TDX has its memory in a guest_memfd. */
function bootBackends(line: CommandLine, confidential: VmDescriptor['confidential']): MemoryBackend[] {
  const { all, machine, remarks } = line;
  const nodes = all('numa').map((at) => parseOptions(at, 'type', remarks));
  const memdevs = nodes.filter((node) => textOf(node, 'type') === 'node' && node.values.has('memdev'));
  const named = [
    ...(machine?.values.has('memory-backend') ? [[machine, 'memory-backend'] as const] : []),
    ...memdevs.map((node) => [node, 'memdev'] as const),
  ];
  const beyond = named[MEMORY_BACKENDS_MAX];
  if (beyond) remarks.fault(beyond[0].at, `more than ${MEMORY_BACKENDS_MAX} memory backends`);
  const isPrivate = confidential === 'sev-snp' || confidential === 'tdx';
  return named.flatMap(([options, key]) => {
    const backend = memoryBackend(options, key, line);
    return backend ? [{ ...backend, guestMemfd: isPrivate ? true : undefined }] : [];
  });
}

/** Memory backends that share unless they are told not to. */
const SHARING: ReadonlySet<string> = new Set(['memory-backend-memfd', 'memory-backend-shm', 'memory-backend-epc']);

/** The memory backend that `key` of `options` names. */
export function memoryBackend(
  options: Options,
  key: string,
  { objects, remarks }: CommandLine,
): Omit<MemoryBackend, 'guestMemfd'> | undefined {
  const id = nameOf(options, key, remarks);
  const backend = id === undefined ? undefined : objects.get(id);
  if (backend === undefined) {
    return remarks.fault(options.at, id === undefined ? `no ${key}` : `${key} ${quoted(id)}: no -object has this id`);
  }
  const size = sizeOf(backend, 'size', remarks);
  if (size === undefined) return backend.values.has('size') ? undefined : remarks.fault(backend.at, 'no size');
  const isSharing = SHARING.has(textOf(backend, 'qom-type') ?? '');
  return { size, share: switchOf(backend, 'share', remarks) ?? isSharing };
}
