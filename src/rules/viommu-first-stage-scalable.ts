import { all, not } from '../descriptor/fact.ts';
import { type Case, vmRule } from './rule.ts';
import type { Scenario } from '../descriptor/scenario.ts';
import { ofViommu } from './viommu.ts';

const holds: Case<Scenario>['holds'] = ({ vm }) =>
  ofViommu(vm, ['intel'], ({ firstStage, scalableMode }) => all(firstStage, not(scalableMode)));

export const viommuFirstStageScalable = vmRule({
  id: 'viommu-first-stage-scalable',
  title: 'First-stage translation without scalable mode',
  why: 'First-stage tables hang off the PASID tables of scalable mode, which legacy mode does not have. QEMU refuses the vIOMMU before a device is looked at.',
  layer: 'qemu',
  behaviour: 'firstStageDevices',
  effect: 'start-failure',
  cases: {
    'refused-flts': { message: 'x-flts is only available in scalable mode', holds },
    'iommufd-flts': { message: 'x-flts is only available in scalable mode', holds },
    'iommufd-fsts': { message: 'fsts is only available in scalable mode', holds },
  },
  liftedBy: ['viommu-scalable-mode', 'viommu-first-stage-off', 'remove-viommu'],
  source: { confidence: 'confirmed', read: ['10.0.2 run', '10.2.2', '11.1.3 binary'] },
});
