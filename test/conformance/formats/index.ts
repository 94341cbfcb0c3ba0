import type { Format } from '../format.ts';
import { amdviUnmapWhole } from './amdvi-unmap-whole.ts';
import { bitmapSize } from './bitmap-size.ts';
import { dirtyRanges } from './dirty-ranges.ts';
import { exceedLimit } from './exceed-limit.ts';
import { flatviewCaptures } from './flatview-captures.ts';
import { iovaTreeOps } from './iova-tree-ops.ts';
import { measured } from './measured.ts';
import { qemuAnswers } from './qemu-answers.ts';
import { qemuReasonOrder } from './qemu-reason-order.ts';
import { qemuTraces } from './qemu-traces.ts';
import { qemuVfioAnswers } from './qemu-vfio-answers.ts';
import { ramLayout } from './ram-layout.ts';
import { virtioIommuUnmap } from './virtio-iommu-unmap.ts';
import { vtdPageWalk } from './vtd-page-walk.ts';
import { vtdUnmapTracked } from './vtd-unmap-tracked.ts';
import { vtdUnmapWhole } from './vtd-unmap-whole.ts';

/** Every kind of file that can be replayed. */
export const formats: readonly Format[] = [
  amdviUnmapWhole,
  bitmapSize,
  dirtyRanges,
  exceedLimit,
  flatviewCaptures,
  iovaTreeOps,
  measured,
  qemuAnswers,
  qemuReasonOrder,
  qemuTraces,
  qemuVfioAnswers,
  ramLayout,
  virtioIommuUnmap,
  vtdPageWalk,
  vtdUnmapTracked,
  vtdUnmapWhole,
];
