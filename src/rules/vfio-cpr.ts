import { all, choose, is, map, not, type Truth } from '../descriptor/fact.ts';
import { type ContainerHere, containerRule } from './rule.ts';

export const vfioCpr = containerRule({
  id: 'vfio-cpr',
  title: 'The container’s memory cannot be handed to a new QEMU',
  why: 'CPR hands devices to a new QEMU process, whose addresses type1 must exchange for the old ones (VFIO_UPDATE_VADDR). The kernel does that for no container with an mdev in it, and iommufd’s emulation of type1 not at all.',
  layer: 'kernel',
  behaviour: 'cprModes',
  effect: 'blocker',
  modes: 'cpr-transfer',
  cases: {
    transfer: {
      message: 'VFIO container does not support VFIO_UPDATE_VADDR',
      holds: (here) => all(is(here.container.backend, 'legacy'), not(updatesVaddr(here))),
    },
  },
  wordings: ['vfio device with fd={fd} needs an id property', 'VFIO container does not support VFIO_UNMAP_ALL'],
  liftedBy: ['normal-mode', 'iommufd', 'other-kernel'],
  source: {
    confidence: 'confirmed',
    read: ['hw/vfio/cpr-legacy.c, 10.2.2', 'Linux type1 5.12 to 7.1.8', '11.1.3 run'],
  },
});

function updatesVaddr({ host, container }: ContainerHere): Truth {
  const hasMdev = container.devices.some(({ type }) => type === 'mdev');
  return all(
    not(host.type1EmulatedByIommufd),
    choose(host.updateVaddr, (support) =>
      support === 'iommu-only' ? map(host.updateVaddr, () => !hasMdev) : is(host.updateVaddr, 'any'),
    ),
  );
}
