import {
  type GuestEvent,
  larger,
  type MappingRun,
  notifiersOf,
  react,
  type State,
  stateIn,
  type Step,
  tracksUnmaps,
} from 'migration-preflight/simulator';
import { isWalk, learn, readWalk } from './guest-memory.ts';
import { type Address, addressOf, machineOf } from './machine.ts';
import { eventLine, ioctlLine, linesOf } from './outcome.ts';
import { isMap, number, type RecordedAux, type RecordedEvent, type RecordedIoctl, type RecordedStep } from './trace.ts';

type Verdict = true | string | { readonly skipped: string };

/** Replays the steps of one scenario, one verdict each. */
export function* replayTrace(steps: readonly RecordedStep[]): Generator<Verdict> {
  const machine = machineOf(steps);
  if (typeof machine === 'string') {
    yield* steps.map(() => ({ skipped: machine }));
    return;
  }
  const state = stateIn(machine, machine.viommu.model === 'virtio' ? 'identity' : 'blocking');
  state.translation = machine.viommu.model === 'virtio';
  state.view = 'memory';
  const replay: Replay = { state, address: addressOf(steps), done: [], domains: new Map(), ramEnd: 0n };
  for (const step of steps) yield replayStep(replay, step);
}

/** The model, and what the log has told so far. */
interface Replay {
  readonly state: State;
  readonly address: Address | undefined;
  /** What the model did in this step. */
  done: Step[];
  /** Which endpoints are in which domain of virtio-iommu. */
  readonly domains: Map<bigint, Set<bigint>>;
  /** End of the boot RAM that begins at 0, as far as it has been seen. */
  ramEnd: bigint;
}

type Line =
  | { readonly seq: number; readonly aux: RecordedAux }
  | { readonly seq: number; readonly event: RecordedEvent }
  | { readonly seq: number; readonly ioctl: RecordedIoctl };

function replayStep(replay: Replay, step: RecordedStep): Verdict {
  const { state } = replay;
  const before = state.tracking;
  replay.done = [];
  const lines: Line[] = [
    ...step.aux.map((aux) => ({ seq: aux.seq, aux })),
    ...step.events.map((event) => ({ seq: event.seq, event })),
    ...step.ioctls.map((ioctl) => ({ seq: ioctl.seq, ioctl })),
  ].toSorted((a, b) => a.seq - b.seq);
  const asked = follow(replay, step, lines);

  const recorded = {
    events: step.events.map(eventLine),
    ioctls: step.ioctls.map(ioctlLine).filter((line) => line !== undefined),
  };
  const { from, to } = step.transition;
  const moved = from !== null && to !== null && from !== to;
  if (!asked && !moved && recorded.events.length === 0 && recorded.ioctls.length === 0) {
    return { skipped: 'the guest moves nowhere, and nothing reaches its vIOMMU or VFIO' };
  }
  const model = linesOf(replay.done, step.backend);
  // Where the order is that of QEMU's tree, both are sets.
  const tracked = [before, state.tracking].some((tracking) => tracksUnmaps(state.machine.behaviours, tracking));
  const unordered = state.machine.viommu.model === 'intel' && tracked;
  const difference =
    firstDifference('event', model.events, recorded.events, unordered) ??
    firstDifference('ioctl', model.ioctls, recorded.ioctls, unordered);
  return difference === undefined ? true : `${step.scenario}: ${difference}`;
}

function firstDifference(what: string, model: string[], recorded: string[], unordered: boolean): string | undefined {
  const [ours, theirs] = unordered ? [model.toSorted(), recorded.toSorted()] : [model, recorded];
  const length = Math.max(ours.length, theirs.length);
  for (let i = 0; i < length; i++) {
    if (ours[i] !== theirs[i])
      return `${what} ${i} of ${theirs.length} is "${theirs[i]}", the model (${ours.length}) says "${ours[i]}"`;
  }
  return undefined;
}

/** Has the model do what the lines ask for. Whether they asked for anything. */
function follow(replay: Replay, step: RecordedStep, lines: readonly Line[]): boolean {
  const context: Context = {
    by: step.tracking_detail.migration_active ? 'migration' : 'dirty-rate',
    expected: [],
    syncsLeft: 0,
    pending: 'attach',
    lastRegion: undefined,
  };
  const starts = lines.some((line) => 'ioctl' in line && isStart(line.ioctl));
  const stops = lines.some((line) => 'ioctl' in line && isStop(line.ioctl));
  if (step.tracking === 'on' && !starts) perform(replay, context, { type: 'tracking-start', by: context.by });
  if (step.tracking === 'off' && !stops) perform(replay, context, { type: 'tracking-stop' });
  let asked = false;
  for (const [index, line] of lines.entries()) {
    if ('event' in line) followSection(replay, context, line.event, lines.slice(index + 1, index + 2));
    else if ('ioctl' in line) followIoctl(replay, context, line.ioctl);
    else asked = followAux(replay, context, line.aux, lines.slice(index + 1)) || asked;
  }
  return asked;
}

/** What is known on the way through one step. */
interface Context {
  readonly by: 'migration' | 'dirty-rate';
  /** Sections and queries that the model has announced and the log has yet to show. */
  expected: string[];
  /** Replays of a dirty sync that have been accounted for by the first of them. */
  syncsLeft: number;
  /** What the next switch of address spaces belongs to. */
  pending: 'attach' | 'translation-on' | 'translation-off' | 'reset' | 'flush';
  lastRegion: number | undefined;
}

function perform({ state, done }: Replay, context: Context, event: GuestEvent): void {
  for (const step of react(state, event)) {
    done.push(step);
    const lines = linesOf([step], state.host.backend);
    if (step.kind === 'section-add' || step.kind === 'section-del') context.expected.push(...lines.events);
    if (step.kind === 'query') context.expected.push(...lines.ioctls);
  }
}

/** A section that the model has announced, or one that firmware has moved: that is given. */
function followSection(replay: Replay, context: Context, event: RecordedEvent, next: readonly Line[]): void {
  const { op, kind, iova, size } = event;
  if (op !== 'region_add' && op !== 'region_del') return;
  if (kind === 'iommu') context.lastRegion = event.seq;
  const line = eventLine(event);
  const index = context.expected.indexOf(line);
  if (index >= 0) {
    context.expected.splice(index, 1);
    return;
  }
  if (kind === 'iommu') return;
  if (op === 'region_del') perform(replay, context, { type: 'unplug', gpa: BigInt(iova) });
  else {
    const map = next.flatMap((each) => ('ioctl' in each && isMap(each.ioctl) ? [each.ioctl] : []))[0];
    const gpa = BigInt(iova);
    const readOnly = isReadOnly(map);
    if (gpa <= replay.ramEnd) replay.ramEnd = larger(replay.ramEnd, gpa + BigInt(size));
    // What is writable below 4 GiB, and is not boot RAM, lies in the PCI hole.
    const vfioPci = !readOnly && gpa > replay.ramEnd && gpa < 1n << 32n;
    const section = { gpa, size: BigInt(size), readOnly, vfioPci };
    perform(replay, context, { type: 'plug', section });
  }
  context.expected = context.expected.filter((each) => each !== line);
}

/** Flags of a map call: read 1 and write 2 on a legacy container, write 2 and read 4 on iommufd. */
const isReadOnly = (map: RecordedIoctl | undefined): boolean => map !== undefined && (Number(map.flags ?? 2) & 2) === 0;

const isStart = ({ call, detail = '' }: RecordedIoctl): boolean =>
  call === 'VFIO_DIRTY_START' || (/DMA_LOGGING_START/.test(detail) && !/PROBE|ret=-1/.test(detail));
const isStop = ({ call, detail = '' }: RecordedIoctl): boolean =>
  call === 'VFIO_DIRTY_STOP' || (/DMA_LOGGING_STOP/.test(detail) && !detail.includes('PROBE'));

function followIoctl(replay: Replay, context: Context, ioctl: RecordedIoctl): void {
  if (isStart(ioctl)) perform(replay, context, { type: 'tracking-start', by: context.by });
  if (isStop(ioctl)) perform(replay, context, { type: 'tracking-stop' });
  if (ioctl.call !== 'VFIO_DIRTY_GET') return;
  const line = ioctlLine(ioctl) as string;
  // A pass over sections of system memory shows in its queries alone.
  if (!context.expected.includes(line)) perform(replay, context, { type: 'sync' });
  const index = context.expected.indexOf(line);
  if (index >= 0) context.expected.splice(index, 1);
}

/** Whether the line is a request of the guest's to its vIOMMU. */
function followAux(replay: Replay, context: Context, aux: RecordedAux, after: readonly Line[]): boolean {
  const { address, state } = replay;
  const { op, detail = '' } = aux;
  switch (op) {
    case 'vtd_dmar_enable':
      context.pending = number(detail, 'enable') === 0n ? 'translation-off' : 'translation-on';
      return true;
    case 'vtd_reset_exit':
      perform(replay, context, { type: 'system-reset' });
      context.pending = 'reset';
      return true;
    case 'vtd_inv_desc_cc_global':
    case 'vtd_inv_desc_cc_domain':
      context.pending = 'flush';
      return true;
    case 'switch_address_space':
      return (
        aux.dev === address?.bdf && state.machine.viommu.model !== 'virtio' && switched(replay, context, aux, after)
      );
    case 'vtd_inv_desc_iotlb_pages':
    case 'vtd_inv_desc_iotlb_domain':
    case 'vtd_inv_desc_iotlb_global':
    case 'vtd_inv_desc_iotlb_pasid':
    case 'vtd_inv_desc_iotlb_pasid_pages':
      return invalidated(replay, context, aux, after);
    case 'vtd_replay_ce_valid':
    case 'vtd_replay_ce_invalid':
      synced(replay, context, aux);
      return true;
    case 'virtio_iommu_attach':
    case 'virtio_iommu_detach_endpoint_from_domain':
      return attached(replay, context, aux, after);
    case 'virtio_iommu_map':
    case 'virtio_iommu_unmap':
      return requested(replay, context, aux);
    default:
      return false;
  }
}

/** The lines up to the next request: what this one made the vIOMMU read. */
function answersTo(after: readonly Line[], address: Address | undefined): RecordedAux[] {
  const aux = after.flatMap((line) => ('aux' in line ? [line.aux] : []));
  const next = aux.findIndex(
    ({ op, dev }) =>
      op.startsWith('vtd_inv_desc') ||
      op === 'vtd_dmar_enable' ||
      op === 'vtd_reset_exit' ||
      (op === 'switch_address_space' && dev === address?.bdf),
  );
  return next < 0 ? aux : aux.slice(0, next);
}

/** The context entry was read: absent, passing through, or with a page table, which then is walked. */
function switched(replay: Replay, context: Context, aux: RecordedAux, after: readonly Line[]): boolean {
  const { state, address } = replay;
  const { pending } = context;
  context.pending = 'attach';
  if (pending === 'reset') return true;
  if (pending === 'translation-off') {
    perform(replay, context, { type: 'translation', on: false });
    return true;
  }
  const answers = answersTo(after, address);
  const walk = answers.filter(isWalk);
  const to = aux.iommu_enabled === 0 ? 'identity' : walk.length > 0 ? 'dma' : 'blocking';
  const { leaves, tables } = readWalk(walk, state.tree);
  if (!state.translation && pending !== 'translation-on') return false;
  if (pending === 'flush') {
    perform(replay, context, { type: 'invalidate', scope: 'context-global' });
    return true;
  }
  perform(replay, context, { type: 'attach', to, mappings: distinct(leaves), tables });
  if (pending === 'translation-on') perform(replay, context, { type: 'translation', on: true });
  return true;
}

/** Each leaf once: a table may have been walked more than once. */
function distinct(leaves: readonly MappingRun[]): MappingRun[] {
  return [...new Map(leaves.map((run) => [run.iova, run])).values()];
}

/** An invalidation after which the table was walked; without a walk it was of another domain, or of none. */
function invalidated(
  replay: Replay,
  context: Context,
  { op, detail = '' }: RecordedAux,
  after: readonly Line[],
): boolean {
  const { state, address } = replay;
  const walk = answersTo(after, address).filter(isWalk);
  if (op.endsWith('_global')) perform(replay, context, { type: 'invalidate', scope: 'iotlb-global' });
  else if (walk.length > 0) {
    learn(state.table, readWalk(walk, state.tree));
    const iova = number(detail, 'addr');
    const size = 4096n << (number(detail, 'mask') ?? 0n);
    perform(
      replay,
      context,
      iova === undefined
        ? { type: 'invalidate', scope: 'iotlb-domain' }
        : { type: 'invalidate', scope: 'pages', iova, size },
    );
  }
  return walk.length > 0;
}

/** A replay of one notifier: because its section has just appeared, or because of a dirty sync, which replays all. */
function synced(replay: Replay, context: Context, { seq }: RecordedAux): void {
  if (context.lastRegion !== undefined && context.lastRegion === seq - 1) return;
  if (context.syncsLeft === 0) {
    perform(replay, context, { type: 'sync' });
    context.syncsLeft = notifiersOf(replay.state.machine.viommu).length;
  }
  context.syncsLeft--;
}

/** An endpoint of virtio-iommu enters a domain, or leaves one for none, as at reset. */
function attached(replay: Replay, context: Context, { op, detail = '' }: RecordedAux, after: readonly Line[]): boolean {
  const { address, domains } = replay;
  const domain = number(detail, 'domain') ?? 0n;
  const endpoint = number(detail, 'endpoint') ?? 0n;
  const inside = [...domains.values()].some((members) => members.has(endpoint));
  if (op === 'virtio_iommu_attach') {
    for (const members of domains.values()) members.delete(endpoint);
    domains.set(domain, (domains.get(domain) ?? new Set()).add(endpoint));
    if (endpoint !== address?.endpoint) return false;
    perform(replay, context, { type: 'attach', to: lastSwitch(after, address) ? 'dma' : 'identity' });
    return true;
  }
  // The detach that belongs to an attach has been accounted for.
  if (!inside || !domains.get(domain)?.has(endpoint)) return false;
  domains.get(domain)?.delete(endpoint);
  if (endpoint !== address?.endpoint) return false;
  perform(replay, context, { type: 'system-reset' });
  return true;
}

/** Whether the endpoint ends up translated before the next request. */
function lastSwitch(after: readonly Line[], { bdf }: Address): boolean {
  const aux = after.flatMap((line) => ('aux' in line ? [line.aux] : []));
  const next = aux.findIndex(({ op }) =>
    ['virtio_iommu_attach', 'virtio_iommu_map', 'virtio_iommu_unmap'].includes(op),
  );
  const own = (next < 0 ? aux : aux.slice(0, next)).findLast(
    ({ op, dev }) => op === 'switch_address_space' && dev === bdf,
  );
  return own?.iommu_enabled === 1;
}

/** A MAP or UNMAP request for the domain that the endpoint is in. */
function requested(replay: Replay, context: Context, { op, detail = '' }: RecordedAux): boolean {
  const { address, domains } = replay;
  const domain = number(detail, 'domain') ?? 0n;
  if (address === undefined || !domains.get(domain)?.has(address.endpoint)) return false;
  const iova = number(detail, 'virt_start') ?? 0n;
  const size = (number(detail, 'virt_end') ?? 0n) - iova + 1n;
  const gpa = number(detail, 'phys_start') ?? 0n;
  perform(
    replay,
    context,
    op === 'virtio_iommu_map'
      ? { type: 'map', mappings: [{ iova, size, count: 1n, gpa }] }
      : { type: 'unmap', iova, size },
  );
  return true;
}
