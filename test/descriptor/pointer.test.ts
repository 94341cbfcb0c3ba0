import { describe, expect, it } from 'vitest';
import { valueAt, withValueAt, withValues } from '../../src/descriptor/pointer.ts';

const document = { vm: { vfio: [{ id: 'a' }, { id: 'b' }], 'a/b~c': 1 }, source: {} };

describe('valueAt', () => {
  it.each([
    ['', document],
    ['/vm/vfio/1/id', 'b'],
    ['/vm/a~1b~0c', 1],
    ['/vm/vfio/2', undefined],
    ['/vm/vfio/0/id/0/x', undefined],
    ['/source/toString', undefined],
  ])('%s', (pointer, value) => {
    expect(valueAt(document, pointer)).toEqual(value);
  });
});

describe('withValues', () => {
  it('sets several places at once, in lists and where nothing was', () => {
    const changed = withValues(document, [
      { pointer: '/vm/vfio/0/id', to: 'c' },
      { pointer: '/vm/vfio/1/address/bus', to: 'pcie.0' },
      { pointer: '/source/qemu', to: '11.1' },
    ]);
    expect(changed).toEqual({
      vm: { vfio: [{ id: 'c' }, { id: 'b', address: { bus: 'pcie.0' } }], 'a/b~c': 1 },
      source: { qemu: '11.1' },
    });
  });

  it('leaves the document as it was, and shares what is not on the way', () => {
    const changed = withValueAt(document, '/vm/vfio/0/id', 'c');
    expect(document.vm.vfio[0]).toEqual({ id: 'a' });
    expect(changed.vm.vfio[1]).toBe(document.vm.vfio[1]);
    expect(changed.source).toBe(document.source);
  });

  it('makes a list where an index of 0 is missing', () => {
    expect(withValueAt({}, '/disks/0/format', 'qcow2')).toEqual({ disks: [{ format: 'qcow2' }] });
  });

  it('sets nothing that every object inherits', () => {
    expect(Object.hasOwn(withValueAt({}, '/__proto__', 1), '__proto__')).toBe(true);
  });
});
