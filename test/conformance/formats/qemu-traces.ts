import type { Format } from '../format.ts';
import type { RecordedStep } from '../traces/trace.ts';
import { replayTrace } from '../traces/replay-trace.ts';

/**
 * Steps of real guests inside real QEMUs. What the guest asks of its vIOMMU (invalidations, attach requests), what it has
 * in its page tables, and what firmware makes of the memory map are given; what VFIO is then told and what it asks of the
 * kernel must be the model's, from what the steps before it left.
 */
export const qemuTraces: Format = {
  file: 'qemu-traces',
  matches: (content) => Array.isArray((content as { traces?: unknown }).traces),
  *replay(content) {
    yield* replayTrace((content as { traces: RecordedStep[] }).traces);
  },
};
