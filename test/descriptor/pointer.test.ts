import fc from 'fast-check';
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

  it.each(['/vm/vfio/2/id', '/vm/vfio/00/id', '/vm/vfio/-1', '/vm/vfio/ 1/id', '/vm/vfio/1e0'])(
    'leaves a list as it is that has no item %s',
    (pointer) => {
      expect(withValueAt(document, pointer, 'c')).toEqual(document);
      expect(withValues(document, [{ pointer, to: 'c' }])).toEqual(document);
    },
  );

  it('takes a number for a name where there is no list', () => {
    expect(withValueAt({}, '/devices/0/p2p', true)).toEqual({ devices: { '0': { p2p: true } } });
  });

  it('sets one value as it sets one of several', () => {
    const keys = fc.constantFrom('vm', 'vfio', '0', '1', '2', 'id', 'source', '__proto__', 'a~1b', '');
    fc.assert(
      fc.property(fc.array(keys, { maxLength: 5 }), fc.json(), (path, json) => {
        const [pointer, to] = [path.map((key) => `/${key}`).join(''), JSON.parse(json) as unknown];
        expect(withValueAt(document, pointer, to)).toStrictEqual(withValues(document, [{ pointer, to }]));
      }),
    );
  });

  it('sets nothing that every object inherits', () => {
    expect(Object.hasOwn(withValueAt({}, '/__proto__', 1), '__proto__')).toBe(true);
  });
});
