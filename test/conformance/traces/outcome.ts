import { ADDRESS_MAX, ADDRESS_SPACE, errors, type Step } from 'migration-preflight/simulator';
import { isMap, isUnmap, type RecordedEvent, type RecordedIoctl } from './trace.ts';

const hex = (value: bigint): string => `0x${value.toString(16)}`;

/** What VFIO was told, one line each. */
export const eventLine = ({ op, iova, size }: Pick<RecordedEvent, 'op' | 'iova' | 'size'>): string =>
  `${op} ${iova} ${size}`;

/** What reached the kernel, one line each; `undefined` for calls that have nothing to do with mappings. */
export function ioctlLine(ioctl: RecordedIoctl): string | undefined {
  const { call, iova = '?', flags = '0x0', bitmap_size: bitmap = '0x0', errno = '0', unmapped } = ioctl;
  const size = ioctl.size ?? ioctl.length ?? '?';
  const failed = ioctl.ret === '-1';
  const result = failed ? `errno ${errno}` : 'ok';
  if (isUnmap(ioctl)) {
    const legacy = call.startsWith('VFIO') ? ` flags ${flags} bitmap ${bitmap}` : '';
    return `unmap ${iova} ${size}${legacy} ${result}${failed || unmapped === undefined ? '' : ` unmapped ${unmapped}`}`;
  }
  if (isMap(ioctl)) return `map ${iova} ${size} ${result}`;
  return call === 'VFIO_DIRTY_GET' ? `query ${iova} ${size} bitmap ${bitmap} ${result}` : undefined;
}

/** The lines that `steps` of the model come to. */
export function linesOf(steps: readonly Step[], backend: 'legacy' | 'iommufd'): { events: string[]; ioctls: string[] } {
  const events: string[] = [];
  const ioctls: string[] = [];
  for (const step of steps) {
    switch (step.kind) {
      case 'section-add':
      case 'section-del': {
        const op = step.kind === 'section-add' ? 'region_add' : 'region_del';
        events.push(eventLine({ op, iova: hex(step.iova), size: hex(step.size) }));
        break;
      }
      case 'map':
        for (const iova of addresses(step)) {
          if (step.cause === 'viommu') events.push(eventLine({ op: 'map', iova, size: hex(step.size) }));
          ioctls.push(`map ${iova} ${hex(step.size)} ${resultOf(step.failure?.errno)}`);
        }
        break;
      case 'unmap': {
        const { size, flags, bitmapBytes, unmappedBytes, count } = step;
        const errno = step.failure?.kernelErrno ?? step.kernelErrno;
        const all = size === ADDRESS_SPACE;
        const asked = all ? (backend === 'legacy' ? 0n : ADDRESS_MAX) : size;
        const legacy =
          backend === 'legacy' ? ` flags ${hex(BigInt(flags))} bitmap ${hex(flags === 1 ? bitmapBytes : 0n)}` : '';
        const unmapped = errno ? '' : ` unmapped ${hex(unmappedBytes / count)}`;
        for (const iova of addresses(step)) {
          if (step.cause === 'viommu') events.push(eventLine({ op: 'unmap', iova, size: hex(size) }));
          if (step.ioctls > 0) ioctls.push(`unmap ${iova} ${hex(asked)}${legacy} ${resultOf(errno)}${unmapped}`);
        }
        break;
      }
      case 'query':
        for (const iova of addresses(step)) {
          const { size, bitmapBytes, failure } = step;
          if (step.ioctls > 0)
            ioctls.push(`query ${iova} ${hex(size)} bitmap ${hex(bitmapBytes)} ${resultOf(failure?.errno)}`);
        }
        break;
      case 'tracking-start':
      case 'tracking-stop':
      case 'refused':
    }
  }
  return { events, ioctls };
}

function* addresses({ iova, size, count }: { iova: bigint; size: bigint; count: bigint }): Generator<string> {
  for (let i = 0n; i < count; i++) yield hex(iova + i * size);
}

const resultOf = (errno: keyof typeof errors | undefined): string => (errno ? `errno ${errors[errno].number}` : 'ok');
