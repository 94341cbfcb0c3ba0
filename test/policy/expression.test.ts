import { describe, expect, it } from 'vitest';
import { resolve } from '../../src/descriptor/scenario.ts';
import { conditionOf, messageOf, namesFor } from '../../src/policy/expression.ts';
import type { Mention } from '../../src/policy/inspection.ts';
import { Context, type Each } from '../../src/policy/vocabulary.ts';
import { judge } from '../../src/rules/judge.ts';
import { descriptorWith, type Given, intel48 } from '../rules/rule-tester.ts';

const rules = new Set(['vfio-viommu', 'vfio-dirty-tracking', 'vfio-migration-disabled', 'site-earlier']);

const vocabularyFor = (each: Each, mentions: Mention[] = []) => ({
  names: namesFor(each),
  rules,
  mentions: (mention: Mention) => void mentions.push(mention),
});

function contextOf(given: Given): Context {
  const source = resolve(descriptorWith(given), 'source');
  return new Context({ source, destination: source, findings: judge(source), includeClear: false });
}

/** What `text` comes to: true, false, or what it lacks. */
function truth(text: string, given: Given = {}): boolean | readonly string[] {
  const found = conditionOf(text, 'vm', vocabularyFor('vm')).truth(contextOf(given));
  return found.known ? found.value : found.lacks;
}

const behindViommu = { '/vm/viommu': intel48 };
const noQemu = { '/source/qemu': undefined };
const noTracking = { '/source/devices/dev0/dmaLogging': undefined };

describe('an expression', () => {
  it.each<[text: string, given: Given, is: boolean]>([
    ['vm.memory == 4294967296', {}, true],
    ["vm.memory >= bytesOf('4GiB')", {}, true],
    ['vm.memory / 3 == 1431655765', {}, true],
    ['vm.memory == 9223372036854775807', { '/vm/memory': '0xffffffffffffffff' }, true],
    ["vm.viommu.model == 'none'", {}, true],
    ["vm.viommu.model == 'intel' && vm.viommu.addressWidth == 48", behindViommu, true],
    ["vm.board == 'q35'", {}, true],
    ["source.qemu == version('10.2')", {}, true],
    ["source.qemu == version('10.2.1')", {}, false],
    ["source.qemu > version('10.2')", {}, false],
    ["source.qemu >= version('10')", {}, true],
    ["source.qemu < version('10.2.10')", {}, true],
    ["source.qemu.between('10.0', '10.2')", {}, true],
    ["source.qemu.between('11.0', '11.1')", { '/source/qemu': '11.1.3' }, true],
    ["source.qemu.between('11.0', '11.1')", { '/source/qemu': '11.2.0' }, false],
    ["source.qemu != version('11.0')", {}, true],
    ["destination.kernel >= version('6.12')", {}, true],
    ["source.behaviours.viommuBlock == 'each-device'", {}, true],
    ["migration.mayHappen('hotplug')", {}, false],
    ["migration.mayHappen('dirty-rate')", { '/migration': { guestEvents: ['reset'] } }, false],
    ["migration.capability('multifd')", { '/migration': { capabilities: ['multifd'] } }, true],
    ["'class' in vm.labels && vm.labels['class'] == 'batch'", {}, false],
    ["'class' in vm.labels && vm.labels['class'] == 'batch'", { '/vm/labels': { class: 'batch' } }, true],
    ['has(vm.labels.constructor)', { '/vm/labels': { constructor: 'x' } }, true],
    ['has(vm.labels.constructor)', {}, false],
    ["devices.exists(d, d.behindViommu && d.backend == 'legacy')", behindViommu, true],
    ["devices.all(d, d.type == 'vfio-pci')", {}, true],
    ["devices.filter(d, d.type == 'mdev').size() == 0", {}, true],
    ["devices.map(d, d.id) == ['dev0']", {}, true],
    ["containers.exists_one(c, c.tracker == 'device' && c.devices == 1)", {}, true],
    ["findings.fired('vfio-viommu')", behindViommu, true],
    ["findings.fired('vfio-viommu')", {}, false],
    ["findings.effect('blocker')", behindViommu, true],
    ["devices.exists(d, d.fired('vfio-migration-disabled'))", { '/vm/vfio/0/enableMigration': 'off' }, true],
    ['figures.largestBitmap >= figures.atLeast.largestBitmap', behindViommu, true],
    ["vm.memory > bytesOf('1TiB') ? vm.running : vm.viommu.cachingMode", behindViommu, true],
    ['!(vm.running || vm.onlyMigratable)', {}, true],
    ["vm.memory in [1, 2, bytesOf('4GiB')]", {}, true],
  ])('%s, of %j: %s', (text, given, is) => {
    expect(truth(text, given)).toBe(is);
  });

  const [qemu, dmaLogging] = ['/source/qemu', '/source/devices/dev0/dmaLogging'];
  it.each<[text: string, given: Given, is: boolean | readonly string[]]>([
    ["source.qemu >= version('11.0')", noQemu, [qemu]],
    ["!(source.qemu >= version('11.0'))", noQemu, [qemu]],
    ["source.qemu >= version('11.0') || vm.memory > 0", noQemu, true],
    ["vm.memory > 0 || source.qemu >= version('11.0')", noQemu, true],
    ["source.qemu >= version('11.0') && vm.memory == 0", noQemu, false],
    ["vm.memory == 0 && source.qemu >= version('11.0')", noQemu, false],
    [
      "source.qemu >= version('11.0') || devices.exists(d, d.tracksDirtyPages)",
      { ...noQemu, ...noTracking },
      [qemu, dmaLogging],
    ],
    [
      "(source.qemu >= version('11.0') && vm.running) || devices.exists(d, d.tracksDirtyPages)",
      { ...noQemu, ...noTracking },
      [qemu, dmaLogging],
    ],
    ["source.qemu >= version('11.0') ? vm.running : !vm.running", noQemu, [qemu]],
    ["devices.exists(d, d.tracksDirtyPages || d.id == 'dev0')", noTracking, true],
    ['devices.all(d, d.tracksDirtyPages)', noTracking, [dmaLogging]],
    ["devices.exists(d, d.tracksDirtyPages && d.id == 'dev1')", noTracking, false],
    ["findings.fired('vfio-dirty-tracking')", { ...noTracking, '/source/iommu': undefined }, [dmaLogging]],
    ["source.qemu >= version('11.0') && vm.labels['class'] == 'batch'", noQemu, [qemu]],
    ["vm.labels['class'] == 'batch' && source.qemu >= version('11.0')", noQemu, [qemu]],
    ["devices.all(d, source.qemu >= version('11.0') && vm.labels['class'] == 'batch')", noQemu, [qemu]],
    ["vm.labels['class'] == 'batch' && vm.memory == 0", {}, false],
    ["vm.labels['class'] == 'batch' || vm.memory > 0", {}, true],
    [
      'figures.largestBitmap > 0',
      { '/vm/viommu': { model: 'intel' }, '/vm/machine': undefined },
      ['/vm/viommu/addressWidth'],
    ],
  ])('%s, of %j, is %j: what is not known never becomes false', (text, given, is) => {
    expect(truth(text, given)).toEqual(is);
  });

  it('rests on what decides it, and on nothing else', () => {
    const condition = conditionOf("vm.running || vm.viommu.model == 'intel'", 'vm', vocabularyFor('vm'));
    const found = condition.truth(contextOf(behindViommu));
    expect(found).toMatchObject({ known: true, value: true });
    const { from } = found as { from: readonly { readonly value: unknown }[] };
    expect(from.map(({ value }) => value).filter((value) => typeof value !== 'object')).toEqual(['intel']);
  });

  it.each([
    ["vm.labels['class'] == 'batch'", 'No such key: class'],
    ['1 / (vm.memory - vm.memory) == 0', 'division by zero'],
    ['vm.memory * vm.memory * vm.memory > 0', 'integer overflow'],
    ["devices[7].id == 'x'", 'index out of bounds'],
    ["vm.labels['class'] == 'batch' && vm.memory > 0", 'No such key: class'],
    ["vm.memory == 0 || vm.labels['class'] == 'batch'", 'No such key: class'],
  ])('%s comes to nothing', (text, words) => {
    expect(() => truth(text)).toThrow(words);
  });

  it('tells which versions it tells apart', () => {
    const mentions: Mention[] = [];
    const text = "source.qemu.between('11.0', '11.1') || version('6.13') > destination.kernel";
    conditionOf(text, 'vm', vocabularyFor('vm', mentions));
    expect(mentions.map(({ field, release }) => `${field} ${String(release)}`)).toEqual([
      'qemu 11.0',
      'qemu 11.1',
      'kernel 6.13',
    ]);
  });
});

describe('an expression is refused', () => {
  it.each<[what: string, text: string, words: string]>([
    ['that is none', 'vm.memory >', 'Unexpected token'],
    ['of another type', 'vm.memory', 'is of type int, and must be true or false'],
    ['with a name that there is none of', 'vm.memmory > 1', '"memmory": No such key: memmory'],
    ['with types that do not fit', "vm.memory > '4GiB'", 'no such overload: int > string'],
    ['with a version that is none', "source.qemu > version('eleven')", '"eleven" is no version such as "11.1"'],
    ['with a version that is worked out', 'source.qemu > version(vm.board)', 'takes texts that are written out'],
    ['with a size that is none', "vm.memory > bytesOf('4GB')", '"4GB" is no size such as "512MiB"'],
    ['with a size that no integer holds', "vm.memory > bytesOf('16EiB')", '"16EiB" is no size such as "512MiB"'],
    ['with a text that it never is', "vm.viommu.model == 'itnel'", 'the nearest is "intel"'],
    ['with one of such texts', "vm.viommu.model in ['intel', 'none', 'vitrio']", 'the nearest is "virtio"'],
    [
      'with an event that there is none of',
      "migration.mayHappen('unmap')",
      'none of guest-unmap, domain-switch, reset, hotplug, dirty-rate',
    ],
    ['with a rule that there is none of', "findings.fired('vfio-viomu')", 'the nearest is "vfio-viommu"'],
    ['with a pattern', "vm.labels['a'].matches('(a+)+$')", 'there is no function "matches"'],
    ['with a clock', "timestamp('2026-01-01T00:00:00Z') == timestamp('2026-01-01T00:00:00Z')", 'there is no function'],
    ['with numbers that are no integers', '1.5 > 1.0', 'no number but integers'],
    ['with a map', "{'a': 1}['a'] == 1", 'no optional values and no maps'],
    ['with a name for a value', 'cel.bind(x, 1, x == 1)', 'there is no function "bind"'],
    ['with a type for a value', 'type(1) == int', 'there is no function "type"'],
    ['that is nested too deep', `${'('.repeat(40)}true${')'.repeat(40)}`, 'maxDepth'],
    ['of too many parts', Array.from({ length: 90 }, () => 'vm.running').join('||'), 'maxAstNodes'],
    ['with too long a list', `1 in [${Array.from({ length: 65 }, (_, i) => i).join(',')}]`, 'maxListElements'],
  ])('%s', (_what, text, words) => {
    expect(() => conditionOf(text, 'vm', vocabularyFor('vm'))).toThrow(words);
  });

  it.each([
    ['vm.running', 1, 9],
    ["devices.exists(d, d.type == 'mdev')", 256, 4000],
    ['devices.exists(d, devices.exists(e, d.id == e.id))', 256 ** 2, 256 ** 2 * 16],
    ['[devices].exists(l, l.exists(d, l.exists(e, d.id == e.id)))', 256 ** 2, 256 ** 2 * 16],
    ['devices.map(d, devices)[0].exists(d, d.p2p)', 256, 4000],
  ])('by its cost, which grows with the devices that it looks at: %s', (text, atLeast, atMost) => {
    const { cost } = conditionOf(text, 'vm', vocabularyFor('vm'));
    expect(cost).toBeGreaterThanOrEqual(atLeast);
    expect(cost).toBeLessThanOrEqual(atMost);
  });
});

describe('a message', () => {
  const told = (template: string, given: Given = {}): string =>
    messageOf(template, 'vm', vocabularyFor('vm'))(contextOf(given));

  it.each([
    ['QEMU {source.qemu} behind {vm.viommu.model}', 'QEMU 10.2.2 behind none'],
    ['{iec(vm.memory)} or {vm.memory} bytes', '4GiB or 4294967296 bytes'],
    ['{vm.running}', 'false'],
    ['{{braces}}', '{braces}'],
    ['{vm.labels["none"]}', 'unknown'],
    ['nothing', 'nothing'],
  ])('%s', (template, words) => {
    expect(told(template)).toBe(words);
  });

  it('says what is not known', () => {
    expect(told('QEMU {source.qemu}', noQemu)).toBe('QEMU unknown');
  });

  it.each([
    ['{vm.memmory}', 'No such key: memmory'],
    ['{devices}', 'is of type list<Device>'],
    ['a } b', '"}" stands alone'],
    ['{vm.memory', '"{" stands alone'],
    ['{}', 'Unexpected'],
  ])('%s is refused', (template, words) => {
    expect(() => told(template)).toThrow(words);
  });
});
