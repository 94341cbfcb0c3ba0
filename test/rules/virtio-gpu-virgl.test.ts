import { testRule } from './rule-tester.ts';

const gpu = (type: string) => ({ '/vm/otherDevices': [{ type }] });
const says = 'virgl is not yet migratable';

testRule('virtio-gpu-virgl', {
  fires: [
    { name: 'a GPU', given: gpu('virtio-gpu-gl-pci'), effect: 'blocker', says },
    { name: 'a VGA adapter', given: gpu('virtio-vga-gl'), effect: 'blocker', says },
  ],
  clear: [
    { name: 'without virgl', given: gpu('virtio-gpu-pci') },
    { name: 'another VGA adapter', given: gpu('virtio-vga') },
  ],
  unknown: 'a model has it or not',
});
