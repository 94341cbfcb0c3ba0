import type { Device } from '../descriptor/device.ts';
import { all, any, is, map, no, read, type Truth } from '../descriptor/fact.ts';
import { type DeviceHere, deviceRule } from './rule.ts';

/** Whether a device that QEMU realized before this one has its group in another address space. */
function sharesGroup({ device, devices }: DeviceHere): Truth {
  const { group } = device.descriptor;
  if (group === undefined) return no;
  const earlier = devices.slice(0, devices.indexOf(device)).filter(({ descriptor }) => descriptor.group === group);
  if (earlier.length === 0) return no;
  const isLegacy = (each: Device): Truth => is(each.backend, 'legacy');
  return all(
    map(read(device.pointer, 'group', group, 'given'), () => true),
    isLegacy(device),
    any(...earlier.map((each) => all(isLegacy(each), any(device.behindViommu, each.behindViommu)))),
  );
}

export const vfioGroupAddressSpaces = deviceRule({
  id: 'vfio-group-address-spaces',
  title: 'Devices of one IOMMU group in several address spaces',
  why: 'The devices of an IOMMU group share what the host maps for them, and behind a vIOMMU each would have an address space of its own. QEMU takes the group for the first of them only.',
  layer: 'qemu',
  effect: 'start-failure',
  always: {
    message: 'group {group} used in multiple address spaces',
    parameters: ({ device }) => ({ group: String(device.descriptor.group) }),
    holds: sharesGroup,
  },
  liftedBy: ['bypass-viommu', 'fewer-devices', 'remove-viommu'],
  source: { confidence: 'confirmed', read: ['10.2.2', '11.1.3 binary'] },
});
