import type { Remarks } from './qemu-remarks.ts';
import { quoted } from './qemu-remarks.ts';
import type { YamlNode } from './yaml.ts';

/** The member of `node` at the end of `path`. */
export function memberOf(node: YamlNode | undefined, ...path: readonly string[]): YamlNode | undefined {
  return path.reduce<YamlNode | undefined>(
    (at, name) => (at?.value instanceof Map ? at.value.get(name) : undefined),
    node,
  );
}

/** A value as a fault tells it. */
export function told(node: YamlNode | undefined): string {
  const value = node?.value;
  if (value === undefined || value === null) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' ? 'an object' : quoted(String(value));
}

/** A virtual machine of KubeVirt's: what it is asked to be, and what is said of it while it runs. */
export class KubevirtObject {
  readonly metadata: YamlNode;
  readonly spec: YamlNode;
  readonly domain: YamlNode;
  readonly #status: YamlNode | undefined;
  readonly #annotations: YamlNode | undefined;
  readonly #remarks: Remarks;

  constructor(object: YamlNode, remarks: Remarks) {
    const isTemplate = memberOf(object, 'kind')?.value === 'VirtualMachine';
    const holder = isTemplate ? (memberOf(object, 'spec', 'template') ?? object) : object;
    this.metadata = memberOf(object, 'metadata') ?? object;
    this.spec = memberOf(holder, 'spec') ?? holder;
    this.#status = isTemplate ? undefined : memberOf(object, 'status');
    this.#annotations = memberOf(holder, 'metadata', 'annotations');
    this.#remarks = remarks;
    const domain = memberOf(this.spec, 'domain');
    if (!(domain?.value instanceof Map)) remarks.faultAt(object, 'no spec.domain of a virtual machine');
    this.domain = domain ?? this.spec;
  }

  /** What virt-launcher calls the domain. */
  get name(): string {
    const [namespace, name] = ['namespace', 'name'].map((each) => this.textOf(this.metadata, each));
    return [namespace, name].filter(Boolean).join('_');
  }

  get architecture(): string {
    return this.textOf(this.spec, 'architecture') || 'amd64';
  }

  get isRunning(): boolean {
    return this.statusText('phase') === 'Running';
  }

  annotation(name: string): string | undefined {
    return this.#annotations && this.textOf(this.#annotations, name);
  }

  /** What stands under the domain; null is as good as nothing. */
  node(...path: readonly string[]): YamlNode | undefined {
    return present(memberOf(this.domain, ...path));
  }

  has(node: YamlNode, name: string): boolean {
    return present(memberOf(node, name)) !== undefined;
  }

  text(...path: readonly string[]): string | undefined {
    return this.textOf(this.domain, ...path);
  }

  textOf(node: YamlNode, ...path: readonly string[]): string | undefined {
    const at = present(memberOf(node, ...path));
    if (at === undefined || typeof at.value === 'string') return at?.value as string | undefined;
    return this.#remarks.faultAt(at, `${path.at(-1)} is no text`);
  }

  flag(...path: readonly string[]): boolean | undefined {
    const at = this.node(...path);
    if (at === undefined || typeof at.value === 'boolean') return at?.value as boolean | undefined;
    return this.#remarks.faultAt(at, `${path.at(-1)} is neither true nor false`);
  }

  /** A list under the domain, of objects. */
  list(...path: readonly string[]): readonly YamlNode[] {
    return this.#listAt(this.node(...path), path.at(-1));
  }

  volumes(): readonly YamlNode[] {
    return this.#listAt(present(memberOf(this.spec, 'volumes')), 'volumes');
  }

  #listAt(at: YamlNode | undefined, name: string | undefined): readonly YamlNode[] {
    if (at === undefined) return [];
    if (!Array.isArray(at.value)) return this.#remarks.faultAt(at, `${name} is no list`) ?? [];
    const items = at.value as readonly YamlNode[];
    const odd = items.find(({ value }) => !(value instanceof Map));
    return odd ? (this.#remarks.faultAt(odd, `${name} holds what is no object`) ?? []) : items;
  }

  statusText(...path: readonly string[]): string | undefined {
    return this.#status && this.textOf(this.#status, ...path);
  }

  statusNumber(...path: readonly string[]): number | undefined {
    const value = memberOf(this.#status, ...path)?.value;
    return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
  }

  /** Bytes that a quantity of the domain says. */
  quantity(...path: readonly string[]): bigint | undefined {
    return this.#quantityAt(this.node(...path));
  }

  /** Memory that the machine was booted with, or is to be (GetVirtualMemory, pkg/virt-launcher/virtwrap/converter/vcpu). */
  bootMemory(): bigint | undefined {
    const [requested, limit] = ['requests', 'limits'].map((each) => this.node('resources', each, 'memory'));
    const guest = present(memberOf(this.#status, 'memory', 'guestAtBoot')) ?? this.node('memory', 'guest');
    return this.#quantityAt(guest ?? requested ?? limit);
  }

  #quantityAt(at: YamlNode | undefined): bigint | undefined {
    if (at === undefined) return undefined;
    const { value } = at;
    const isExact = typeof value === 'string' || (typeof value === 'number' && Number.isSafeInteger(value));
    const bytes = isExact ? bytesOfQuantity(String(value)) : undefined;
    return bytes ?? this.#remarks.faultAt(at, `${told(at)} is no quantity of memory such as 16Gi`);
  }

  /** Whether virt-launcher fixes the frequency of the TSC (GetTscFrequencyRequirement). */
  get needsTscFrequency(): boolean {
    return this.#features().some(isInvtsc) || this.node('features', 'hyperv', 'reenlightenment') !== undefined;
  }

  #features(): readonly YamlNode[] {
    return this.list('cpu', 'features');
  }

  /** Whether a feature of the processor is `invtsc`, to which KubeVirt adds the frequency of a node not chosen yet. */
  isLeftToNode(feature: YamlNode): boolean {
    return isInvtsc(feature) && this.statusNumber('topologyHints', 'tscFrequency') === undefined;
  }
}

const present = (node: YamlNode | undefined): YamlNode | undefined =>
  node === undefined || node.value === null ? undefined : node;

const isInvtsc = (feature: YamlNode): boolean =>
  memberOf(feature, 'name')?.value === 'invtsc' &&
  ['require', undefined].includes(memberOf(feature, 'policy')?.value as string | undefined);

const BINARY = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'];
const DECIMAL: Readonly<Record<string, number>> = { n: -9, u: -6, m: -3, '': 0, k: 3, M: 6, G: 9, T: 12, P: 15, E: 18 };

/** Bytes of a Kubernetes quantity, such as "1.5Gi", "512M" or "128e6", rounded up; `undefined` where it is none. */
export function bytesOfQuantity(text: string): bigint | undefined {
  const { whole, fraction, suffix, exponent } =
    /^\+?(?<whole>\d{1,20})(?:\.(?<fraction>\d{0,20}))?(?:(?<suffix>[KMGTPE]i|[numkMGTPE])|e(?<exponent>[+-]?\d{1,2}))?$/i.exec(
      text,
    )?.groups ?? {};
  if (whole === undefined) return undefined;
  const digits = BigInt(whole + (fraction ?? ''));
  const decimals = BigInt((fraction ?? '').length);
  const power = BINARY.indexOf(suffix ?? '');
  if (power > 0) return up(digits << (10n * BigInt(power)), 10n ** decimals);
  const scale = exponent === undefined ? DECIMAL[suffix ?? ''] : Number(exponent);
  if (scale === undefined) return undefined;
  return scale < 0
    ? up(digits, 10n ** (decimals + BigInt(-scale)))
    : up(digits * 10n ** BigInt(scale), 10n ** decimals);
}

const up = (dividend: bigint, divisor: bigint): bigint => (dividend + divisor - 1n) / divisor;
