import { is, isTrue, no, not, type Truth } from '../descriptor/fact.ts';
import type { Scenario } from '../descriptor/scenario.ts';
import type { Viommu, VirtualMachine } from '../descriptor/vm.ts';
import { INTEL_ADDRESS_WIDTHS } from '../simulator/index.ts';
import { vmRule } from './rule.ts';
import { ofViommu } from './viommu.ts';

/** What is not given is QEMU's own default, which it has. */
const isOther = (vm: VirtualMachine, widths: (viommu: Viommu) => readonly number[]): Truth =>
  ofViommu(vm, ['intel'], (viommu) =>
    viommu.addressWidth.known ? not(is(viommu.addressWidth, ...widths(viommu))) : no,
  );

/** First-stage translation has one width only. */
const supported = ({ firstStage }: Pick<Viommu, 'firstStage'>): readonly number[] =>
  isTrue(firstStage) ? INTEL_ADDRESS_WIDTHS.slice(-1) : INTEL_ADDRESS_WIDTHS;

const isOtherByMode = ({ vm }: Scenario): Truth => isOther(vm, supported);

const parameters =
  (scalable: string, firstStage: string) =>
  ({ vm: { viommu } }: Scenario): Record<string, string> => {
    const { firstStage: nests = no, scalableMode = no } = viommu ?? {};
    const nested = isTrue(nests);
    const widths = supported({ firstStage: nests }).join(', ');
    const mode = nested ? firstStage : isTrue(scalableMode) ? scalable : 'Legacy mode';
    return { mode, value: nested ? 'value' : 'values', be: nested ? 'is' : 'are', values: widths };
  };

export const viommuAddressWidth = vmRule({
  id: 'viommu-address-width',
  title: 'intel-iommu does not have this address width',
  why: 'intel-iommu walks page tables of three or four levels, so that its IOVAs have 39 or 48 bits and no other number, not even where the host IOMMU has more. QEMU refuses any other before a device is looked at.',
  layer: 'qemu',
  behaviour: 'addressWidthMessage',
  effect: 'start-failure',
  cases: {
    plain: {
      message: 'Supported values for aw-bits are: {values}',
      parameters: () => ({ values: INTEL_ADDRESS_WIDTHS.join(', ') }),
      holds: ({ vm }) => isOther(vm, () => INTEL_ADDRESS_WIDTHS),
    },
    'by-mode-flts': {
      message: '{mode}: supported {value} for aw-bits {be}: {values}',
      parameters: parameters('Scalable mode(flts=off)', 'Scalable mode(flts=on)'),
      holds: isOtherByMode,
    },
    'by-mode-fsts': {
      message: '{mode}: supported {value} for aw-bits {be}: {values}',
      parameters: parameters('Scalable mode(fsts=off)', 'Scalable mode(fsts=on)'),
      holds: isOtherByMode,
    },
  },
  liftedBy: ['viommu-address-width-39', 'remove-viommu'],
  source: { confidence: 'confirmed', read: ['vtd_decide_config, 7.2, 10.0.2, 10.2.2', '11.1.3 run'] },
});
