import { testFixtures } from './fixtures.ts';
import { qemuTraces } from './formats/qemu-traces.ts';

testFixtures('what real guests did', ['qemu-traces'], [qemuTraces], {
  'e1000e-intel-aw48-legacy': { passed: 35, skipped: 13 },
  'hi-mtty-intel-aw48-legacy-tracking': { passed: 16, skipped: 17 },
  'mtty-intel-aw48-legacy': { passed: 60, skipped: 24 },
  'mtty-virtioiommu-legacy': { passed: 60, skipped: 24 },
  'q10-mtty-intel-aw48-legacy': { passed: 30, skipped: 14 },
});
