import { testFixtures } from './fixtures.ts';
import { formats } from './formats/index.ts';

const named = formats.filter(({ matches }) => matches === undefined);

testFixtures('what QEMU’s own C and real kernels did', ['kernel-cases', 'qemu-cases', 'vectors'], named, {
  'amdvi-unmap-whole': { passed: 103 },
  answers: { passed: 190, skipped: 62 },
  'bitmap-size': { passed: 627 },
  'dirty-ranges': { passed: 251 },
  'exceed-limit': { passed: 670 },
  'flatview-captures': { passed: 19 },
  'iova-tree-ops': { passed: 260 },
  measured: { passed: 1162, skipped: 139 },
  'ram-layout': { passed: 312 },
  'reason-order': { passed: 40, skipped: 1 },
  'vfio-answers': { passed: 235, skipped: 5 },
  'virtio-iommu-unmap': { passed: 120 },
  'vtd-page-walk': { passed: 200 },
  'vtd-unmap-tracked': { passed: 340 },
  'vtd-unmap-whole': { passed: 372 },
});
