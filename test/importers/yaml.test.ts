import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ImportError } from '../../src/importers/import-error.ts';
import { parseYaml, type YamlNode } from '../../src/importers/yaml.ts';

/** The value of `node` as JSON has it. */
function plain({ value }: YamlNode): unknown {
  if (value instanceof Map) {
    return Object.fromEntries([...(value as ReadonlyMap<string, YamlNode>)].map(([key, each]) => [key, plain(each)]));
  }
  return Array.isArray(value) ? (value as readonly YamlNode[]).map(plain) : value;
}

function faultOf(text: string): object | undefined {
  try {
    parseYaml(text);
  } catch (error) {
    expect(error).toBeInstanceOf(ImportError);
    return (error as ImportError).faults[0];
  }
  return undefined;
}

describe('values', () => {
  test.each<[text: string, value: unknown]>([
    ['a: 1\nb: [x, "y", \'z\']', { a: 1, b: ['x', 'y', 'z'] }],
    ['a:\n- true\n- no\n- ~\n-\n- 0x10', { a: [true, 'no', null, null, 16] }],
    ['a: |\n  b\n  c\n', { a: 'b\nc\n' }],
    ['- &a {b: &c d}\n- *a\n- *c', [{ b: 'd' }, { b: 'd' }, 'd']],
    ['&a a: *a', { a: 'a' }],
    ['1: a\ntrue: b', { '1': 'a', true: 'b' }],
    ['---\na: 1\n...\n---\n', { a: 1 }],
    ['\uFEFF{"a": "\\u0041"}', { a: 'A' }],
  ])('%j', (text, value) => {
    expect(plain(parseYaml(text))).toStrictEqual(value);
  });

  test('any JSON is itself', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 4 })), (value) => {
        fc.pre(!Object.keys(value).includes('__proto__'));
        const text = JSON.stringify(value, null, 1);
        if (/"(?:<<|__proto__)":/.test(text)) return;
        expect(plain(parseYaml(text))).toStrictEqual(JSON.parse(text));
      }),
    );
  });

  test('lie where they begin', () => {
    const root = parseYaml('a:\r\n  - b\r\n  - {c: d}\r\n');
    const list = (root.value as ReadonlyMap<string, YamlNode>).get('a')?.value as readonly YamlNode[];
    expect(list.map(({ line, column }) => [line, column])).toStrictEqual([
      [2, 5],
      [3, 5],
    ]);
  });
});

describe('faults', () => {
  const DEEP = 'values are nested more than 64 deep';
  test.each<[what: string, text: string, line: number, words: string]>([
    ['nothing', ' \n', 1, 'no value'],
    ['a tag', 'a: 1\nb: !!python/object:os.system x', 2, 'Unresolved tag'],
    ['a key twice', 'a: {b: 1,\n b: 2}', 2, 'the key "b" stands twice'],
    ['a key that is a list', '? [a]\n: b', 1, 'a key that is no text'],
    ['a merge key', 'a: &a {b: c}\nd: {<<: *a}', 2, 'merge keys are not read'],
    ['an alias of nothing', 'a:\n  *b', 2, '*b stands for nothing before it'],
    ['an alias of itself', 'a: &a\n- *a', 2, '*a stands for nothing before it'],
    ['two documents', 'a: 1\n---\nb: 2', 2, 'a second document'],
    ['a tab', 'a:\n\tb: c', 2, 'Tabs are not allowed as indentation'],
    ['65 brackets', `\n${'['.repeat(65)}${']'.repeat(65)}`, 2, DEEP],
    ['65 dashes', '- '.repeat(65), 1, DEEP],
    [
      '65 levels of indentation',
      Array.from({ length: 66 }, (_, level) => `${' '.repeat(level)}a:\n`).join(''),
      65,
      DEEP,
    ],
    ['a million brackets', '['.repeat(1_000_000), 1, DEEP],
    ['more than a MiB', ' '.repeat((1 << 20) + 1), 1, 'longer than 1048576 characters'],
    ['a line a token', '- a\n'.repeat(50_000), 20_000, 'more than 100000 tokens'],
    ['ten to the ninth', bomb(9), 6, 'more than 100000 values, those of aliases included'],
  ])('%s', (_what, text, line, words) => {
    expect(faultOf(text)).toMatchObject({ line, detail: expect.stringContaining(words) });
  });

  /** Ten of what stands before, `levels` times. */
  function bomb(levels: number): string {
    const level = (index: number): string =>
      `a${index}: &a${index} [${Array(10)
        .fill(`*a${index - 1}`)
        .join(', ')}]\n`;
    return `a0: &a0 x\n${Array.from({ length: levels }, (_, index) => level(index + 1)).join('')}`;
  }
});
