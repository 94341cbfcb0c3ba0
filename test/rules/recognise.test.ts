import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { catalogue, isDistinctive, LINE_MAX, recognise, wordsOf } from '../../src/rules/recognise.ts';
import { fill } from '../../src/rules/words.ts';
import { errors } from '../../src/simulator/index.ts';

/** Every template with a rule whose words it is. */
const templates = catalogue.flatMap(({ id, cases, wordings, models = [] }) => {
  const said = Object.values(cases).flatMap((each) => (each ? wordsOf(each) : []));
  return [...new Set([...said, ...wordings])].map((template) => ({ id, template, models }));
});

/** What `line` is recognised as: rules, the cases whose words it has, and parameters. */
const found = (line: string): [rule: string, values: string, parameters: object][] =>
  recognise(line).map(({ rule, values, parameters }) => [rule.id, values.join(' '), parameters]);

describe('a line is recognised', () => {
  it.each<[line: string, ...expected: ReturnType<typeof found>]>([
    [
      'qemu-system-x86_64: -device vfio-pci,host=0000:00:05.0,enable-migration=on: vfio 0000:00:05.0: 0000:00:05.0: VFIO migration init failed: migration is not supported in kernel: Inappropriate ioctl for device',
      [
        'vfio-no-migration-support',
        'init-failed',
        { device: '0000:00:05.0', strerror: 'Inappropriate ioctl for device' },
      ],
    ],
    [
      'qemu-system-x86_64: -device vfio-pci,sysfsdev=/sys/bus/mdev/devices/83b8f4f2-509f-382f-3c1e-e6bfe0fa1001,enable-migration=on: vfio 83b8f4f2-509f-382f-3c1e-e6bfe0fa1001: 83b8f4f2-509f-382f-3c1e-e6bfe0fa1001: Migration is currently not supported with vIOMMU enabled',
      ['vfio-viommu', 'each-device device-tracking', { device: '83b8f4f2-509f-382f-3c1e-e6bfe0fa1001' }],
    ],
    [
      // No device is called so.
      '(null): Migration is currently not supported with vIOMMU enabled',
      ['vfio-viommu', 'any-device', {}],
    ],
    [
      "qemu-system-x86_64: -device vfio-pci,sysfsdev=/sys/bus/mdev/devices/83b8f4f2-509f-382f-3c1e-e6bfe0fa1002: vfio 83b8f4f2-509f-382f-3c1e-e6bfe0fa1002: disallowing migration blocker (--only-migratable) for: 83b8f4f2-509f-382f-3c1e-e6bfe0fa1002: VFIO device doesn't support device and IOMMU dirty tracking",
      ['vfio-dirty-tracking', 'device-or-iommu', { device: '83b8f4f2-509f-382f-3c1e-e6bfe0fa1002' }],
    ],
    [
      "2026-11-22T10:00:00.000Z qemu-system-x86_64: -device vfio-pci,host=0000:3b:00.1,enable-migration=on: warning: 0000:3b:00.1: VFIO device doesn't support device and IOMMU dirty tracking",
      ['vfio-dirty-tracking', 'device-or-iommu', { device: '0000:3b:00.1' }],
    ],
    [
      "error: internal error: unable to execute QEMU command 'migrate': 0000:3b:00.1: VFIO migration is not supported in kernel",
      ['vfio-no-migration-support', 'by-cause', { device: '0000:3b:00.1' }],
    ],
    // As people quote it.
    ['VFIO migration is not supported in kernel', ['vfio-no-migration-support', 'by-cause', {}]],
    [
      'error: Requested operation is not valid: cannot migrate domain: 0000:3b:00.1: Migration is currently not supported with vIOMMU enabled; Multiple VFIO devices migration is supported only if all of them support P2P migration; 0000:3b:00.2: Migration is currently not supported with vIOMMU enabled',
      ['vfio-p2p', 'p2p', {}],
      ['vfio-viommu', 'each-device device-tracking', { device: '0000:3b:00.1' }],
      ['vfio-viommu', 'each-device device-tracking', { device: '0000:3b:00.2' }],
    ],
    // QEMU 8.0 names no device.
    [
      'error: Requested operation is not valid: cannot migrate domain: Migration is currently not supported with vIOMMU enabled',
      ['vfio-viommu', 'any-device', {}],
    ],
    [
      'vfio 0000:3b:00.1: disallowing migration blocker (--only-migratable) for: Migration is currently not supported with vIOMMU enabled',
      ['vfio-viommu', 'any-device', {}],
    ],
    [
      'vfio_container_dma_unmap(0x55d1c8a3b2c0, 0x100000000000, 0x100000000000) = -7 (Argument list too long)',
      [
        'vfio-unmap',
        'whole tracked-end-as-size tracked tracked-while-migrating',
        {
          container: '0x55d1c8a3b2c0',
          iova: '0x100000000000',
          size: '0x100000000000',
          result: '-7',
          strerror: 'Argument list too long',
        },
      ],
    ],
    [
      '{"id": "libvirt-419", "error": {"class": "GenericError", "desc": "vfio: Could not start dirty page tracking - Failed to set dirty tracking flag 0x1: Invalid argument"}}',
      ['vfio-tracking-start', 'fails-migration', { strerror: 'Invalid argument' }],
    ],
    [
      'vfio: Could not start dirty page tracking - 83b8f4f2-509f-382f-3c1e-e6bfe0fa1001: Failed to start DMA logging: Invalid argument',
      [
        'vfio-logging-ranges',
        'fails-migration',
        { device: '83b8f4f2-509f-382f-3c1e-e6bfe0fa1001', strerror: 'Invalid argument' },
      ],
    ],
    [
      'qemu-system-x86_64: 83b8f4f2-509f-382f-3c1e-e6bfe0fa1001: Failed setting device state to PRE_COPY. Setting device in recover state RUNNING: Invalid argument',
      [
        'vfio-device-state',
        '',
        {
          device: '83b8f4f2-509f-382f-3c1e-e6bfe0fa1001',
          state: 'PRE_COPY',
          recover: 'RUNNING',
          strerror: 'Invalid argument',
        },
      ],
    ],
    [
      '83b8f4f2-509f-382f-3c1e-e6bfe0fa1001: VFIO migration is not supported with postcopy migration',
      ['vfio-postcopy', 'refused', { device: '83b8f4f2-509f-382f-3c1e-e6bfe0fa1001' }],
    ],
    [
      'qemu-system-x86_64: -device vfio-pci,sysfsdev=/sys/bus/mdev/devices/83b8f4f2-509f-382f-3c1e-e6bfe0fa1002,enable-migration=on: vfio 83b8f4f2-509f-382f-3c1e-e6bfe0fa1002: 83b8f4f2-509f-382f-3c1e-e6bfe0fa1002: Migration is currently not supported with large memory VM due to dirty tracking limitation in backend',
      ['vfio-ram-limit', 'type1-bitmap', { device: '83b8f4f2-509f-382f-3c1e-e6bfe0fa1002' }],
    ],
    ['qemu-system-x86_64: UNMAP: Size of bitmap too big 0x20000000', ['vfio-unmap', '', { bytes: '0x20000000' }]],
    [
      'vfio 0000:3b:00.1: Failed to set vIOMMU: aw-bits 48 > host aw-bits 39',
      ['viommu-host-address-width', 'host-width', { width: '48', hostWidth: '39' }],
    ],
    [
      String.raw`{"error": {"class": "GenericError", "desc": "Wrong target AS \"gpa\", only system memory is allowed"}}`,
      ['vfio-dirty-sync', '', { name: 'gpa' }],
    ],
    [
      'qemu-system-x86_64: -device intel-iommu,aw-bits=52: Legacy mode: supported values for aw-bits are: 39, 48',
      [
        'viommu-address-width',
        'by-mode-flts by-mode-fsts',
        { mode: 'Legacy mode', value: 'values', be: 'are', values: '39, 48' },
      ],
    ],
    [
      'qemu-system-x86_64: -device intel-iommu,x-flts=on,x-scalable-mode=on,aw-bits=39: Scalable mode(flts=on): supported value for aw-bits is: 48',
      [
        'viommu-address-width',
        'by-mode-flts by-mode-fsts',
        { mode: 'Scalable mode(flts=on)', value: 'value', be: 'is', values: '48' },
      ],
    ],
    [
      'qemu-system-x86_64: -device intel-iommu,aw-bits=52: Supported values for aw-bits are: 39, 48',
      ['viommu-address-width', 'plain', { values: '39, 48' }],
    ],
    [
      'qemu-system-x86_64: -device vfio-pci,host=0000:00:05.0: vfio 0000:00:05.0: Failed to set vIOMMU: Device assignment is not allowed without enabling caching-mode=on for Intel IOMMU.',
      ['viommu-caching-mode', 'at-realize', {}],
    ],
    [
      'qemu-system-x86_64: We need to set caching-mode=on for intel-iommu to enable device assignment with IOMMU protection.',
      ['viommu-caching-mode', 'at-exit', {}],
    ],
    // What a message ends with may be followed by what is none of it.
    [
      'qemu-system-x86_64: UNMAP: Size of bitmap too big 0x20000000 (see above)',
      ['vfio-unmap', '', { bytes: '0x20000000' }],
    ],
    [
      'Supported values for aw-bits are: 39, 48 (and no other)',
      ['viommu-address-width', 'plain', { values: '39, 48' }],
    ],
    [
      'domain web1 0000:3b:00.1: Migration is currently not supported with vIOMMU enabled',
      ['vfio-viommu', 'each-device device-tracking', { device: '0000:3b:00.1' }],
    ],
    [': VFIO migration is not supported in kernel', ['vfio-no-migration-support', 'by-cause', {}]],
    [
      ': supported values for aw-bits are: 39, 48',
      ['viommu-address-width', 'by-mode-flts by-mode-fsts', { value: 'values', be: 'are', values: '39, 48' }],
    ],
    ['Supported values for aw-bits are: 39,48 (and no other)', ['viommu-address-width', 'plain', { values: '39,48' }]],
    ...["Invalid argument' (see above)", "Invalid argument'", 'Invalid argument  '].map(
      (end): [string, ...ReturnType<typeof found>] => [
        `error: 'vfio: Could not start dirty page tracking - Failed to set dirty tracking flag 0x1: ${end}`,
        ['vfio-tracking-start', 'fails-migration', { strerror: 'Invalid argument' }],
      ],
    ),
    [
      "vfio: Could not start dirty page tracking - Failed to set dirty tracking flag 0x1: Can't allocate memory",
      ['vfio-tracking-start', 'fails-migration', { strerror: "Can't allocate memory" }],
    ],
    [
      'UNMAP: Size of bitmap too big UNMAP: Size of bitmap too big 0x20000000',
      ['vfio-unmap', '', { bytes: 'UNMAP: Size of bitmap too big 0x20000000' }],
    ],
    // What fits most of the line first.
    [
      "cannot migrate domain: 0000:3b:00.1: VFIO migration is not supported in kernel; The vmdk format used by node 'd0' does not support live migration",
      ['image-format', 'always', { format: 'vmdk', node: 'd0' }],
      ['vfio-no-migration-support', 'by-cause', { device: '0000:3b:00.1' }],
    ],
  ])('%s', (line, ...expected) => {
    expect(found(line)).toEqual(expected);
  });

  it.each([
    '',
    'hello',
    'qemu-system-x86_64: failed to save SaveStateEntry with id(name): 1(ram): -5',
    'qemu-system-x86_64: -device vfio-pci,host=0000:00:1f.7: vfio 0000:00:1f.7: no iommu_group found: No such file or directory',
    'qemu-system-x86_64: warning: nic virtio-net-pci.0 has no peer',
    // Part of a longer word.
    'premigration is disabled for VFIO devices',
    // The words without what they end with.
    '{"desc": "UNMAP: Size of bitmap too big "}',
    'Migration is disabled for VFIO devices',
  ])('not: %s', (line) => {
    expect(found(line)).toEqual([]);
  });
});

describe('a parameter has at most 256 characters', () => {
  it.each([
    ['before the longest of the words', (text: string) => `used by node '${text}' does not support live migration`],
    ['behind them', (text: string) => `vfio_container_dma_unmap(${text}, 0x0, 0x1000) = -7 (Argument list too long)`],
  ])('%s', (_where, lineOf) => {
    const isFound = (length: number): boolean => found(`The vmdk format ${lineOf('n'.repeat(length))}`).length > 0;
    expect([isFound(256), isFound(257)]).toEqual([true, false]);
  });

  it('at the end, where what comes after does not matter', () => {
    expect(found(`Supported values for aw-bits are: ${'n'.repeat(600)}`)).toHaveLength(1);
  });
});

describe('a template is distinctive', () => {
  it.each([
    ['{device}: failed 12', false],
    ['{parameter}: too_few of', false],
    ['{parameter}: ten of them', false],
    ['{parameter}: ten of its own', true],
  ])('%s: %s', (template, expected) => {
    expect(isDistinctive(template)).toBe(expected);
  });
});

describe('rules that share words', () => {
  it.each([
    ['non-migratable device: /machine/vfio-ap', 'vfio-ap-ccw'],
    ["State blocked by non-migratable device 'vfio-ccw'", 'vfio-ap-ccw'],
  ])('%s is about %s', (line, id) => {
    expect(found(line).map(([rule]) => rule)).toEqual([id]);
  });

  it('leave those that are about another model alone', () => {
    expect(found('non-migratable device: 0000:00:01.0/virtio-crypto').map(([rule]) => rule)).not.toContain(
      'vfio-ap-ccw',
    );
  });
});

describe('the words of every rule', () => {
  it.each(templates)('$id has enough of its own: $template', ({ template }) => {
    expect(isDistinctive(template)).toBe(true);
  });

  const device = fc.oneof(
    fc.constantFrom('hostdev0', 'net-1', 'VFIO_FD12', 'ua-b7e1'),
    fc.uuid(),
    fc
      .tuple(fc.integer({ max: 0xff, min: 0 }), fc.integer({ min: 0, max: 31 }), fc.integer({ min: 0, max: 7 }))
      .map(([bus, slot, fn]) => `0000:${hex2(bus)}:${hex2(slot)}.${fn}`),
  );
  const number = fc.oneof(
    fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }).map((value) => `0x${value.toString(16)}`),
    fc.integer().map(String),
  );
  const text = fc.constantFrom(...Object.values(errors).map((error) => error.text), 'a path/with.dots', '#block301');
  /** Texts for the parameters of `template`; none has words of the template's own. */
  const parameters = (template: string, models: readonly string[]): fc.Arbitrary<Record<string, string>> => {
    const own = template.split(/\{\w+\}/).flatMap((words) => words.trim() || []);
    const isNoneOf = (texts: string): boolean => own.every((words) => !texts.includes(words));
    const shapeOf = (name: string): fc.Arbitrary<string> => {
      if (models.length > 0) return fc.constantFrom(...models.map((model) => `0000:00:01.0/${model}`));
      if (name === 'device') return device;
      return (name === 'strerror' ? text : fc.oneof(number, text)).filter(isNoneOf);
    };
    const names = [...template.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name);
    return fc.record(Object.fromEntries(names.map((name) => [name, shapeOf(name)])));
  };

  const before = fc.constantFrom(
    '',
    '2026-11-22T10:00:00.000Z qemu-system-x86_64: ',
    'qemu-system-x86_64: -device vfio-pci,host=0000:3b:00.1,enable-migration=on: ',
    'kvm: warning: ',
    "error: internal error: unable to execute QEMU command 'migrate': ",
    'error: Requested operation is not valid: cannot migrate domain: ',
    'vfio 0000:3b:00.1: disallowing migration blocker (--only-migratable) for: ',
    '{"return": {"error-desc": "',
    "Nov 22 10:00:00 host libvirtd[812]: {'desc': '",
  );
  const after = fc.constantFrom('', '\n', '"}}', "'}", '; 0000:3b:00.7: something else');

  it.each(templates)('$id is found by: $template', ({ id, template, models }) => {
    fc.assert(
      fc.property(parameters(template, models), before, after, (texts, prefix, suffix) => {
        const line = `${prefix}${fill(template, texts)}${suffix}`;
        const first = recognise(line).find(({ rule }) => rule.id === id);
        expect({ template: first?.template, parameters: first?.parameters }).toEqual({ template, parameters: texts });
      }),
      { seed: 2 },
    );
  });

  it.each(templates)('$id comes first by: $template', ({ id, template, models }) => {
    fc.assert(
      fc.property(parameters(template, models), (texts) => {
        const line = fill(template, texts);
        const best = recognise(line)
          .filter((each) => each.template === template)
          .map(({ rule }) => rule.id);
        expect(best).toContain(id);
        expect(recognise(line)[0]?.template).toBe(template);
      }),
      { seed: 2, numRuns: 20 },
    );
  });
});

describe('the longest line', () => {
  /** Nearly the words of a rule, over and over. */
  const tricky = templates.flatMap(({ template }) => {
    const words = template.split(/\{\w+\}/).filter(Boolean);
    return [...words, template.slice(0, -1)];
  });

  it.each([
    ['of words that almost fit', tricky],
    ['of quotes', ['"', "'", String.raw`\"`]],
    ['of colons', [': ']],
  ])('%s takes no time', (_what, texts) => {
    const begun = performance.now();
    for (const text of texts) recognise(text.repeat(Math.ceil(LINE_MAX / text.length)).slice(0, LINE_MAX));
    expect((performance.now() - begun) / texts.length).toBeLessThan(100);
  });
});

const hex2 = (value: number): string => value.toString(16).padStart(2, '0');
