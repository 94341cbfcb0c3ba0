import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ImportError, type ImportFault } from '../../src/importers/import-error.ts';
import { shellCommands } from '../../src/importers/shell-words.ts';

const commands = (text: string): string[][] =>
  [...shellCommands(text)].map((words) => words.map(({ text: word }) => word));

describe('words of a command', () => {
  test.each<[name: string, text: string, words: string[]]>([
    ['blanks part them', ' a\t b  c ', ['a', 'b', 'c']],
    ['single quotes keep all', `'a "b" \\$c'`, ['a "b" \\$c']],
    ['double quotes keep blanks', '"a  b"', ['a  b']],
    ['a backslash in double quotes', String.raw`"a\"b\\c\$d\e"`, [String.raw`a"b\c$d\e`]],
    ['a backslash outside of quotes', String.raw`a\ b \'c\' \\`, ['a b', "'c'", '\\']],
    ['quotes that meet', `-a'b'"c"d`, ['-abcd']],
    ['an empty word', `a '' ""`, ['a', '', '']],
    ['a line that goes on', 'a \\\n b\\\nc', ['a', 'bc']],
    ['a line that goes on as Windows ends it', 'a \\\r\n b', ['a', 'b']],
    ['a line that goes on inside double quotes', '"a\\\nb"', ['ab']],
    ['a line end inside quotes', `'a\nb'`, ['a\nb']],
    ['globs and braces', 'a*? [b] {c,d} ~', ['a*?', '[b]', '{c,d}', '~']],
    ['a dollar before nothing', 'a$ $, "$"', ['a$', '$,', '$']],
    ['a comment', 'a # b\n', ['a']],
    ['a # inside a word', 'a#b', ['a#b']],
    ['redirections', 'a >log 2>&1 < in b', ['a', 'b']],
    ['JSON as ps lists it', '-x {"a":"b c","d":{"e":"\\"}"}} -y', ['-x', '{"a":"b c","d":{"e":"\\"}"}}', '-y']],
    ['JSON in quotes', `'{"a":1}'`, ['{"a":1}']],
  ])('%s', (_name, text, words) => {
    expect(commands(text)).toEqual([words]);
  });

  test('each begins at its line and column', () => {
    const [words = []] = shellCommands("a \\\n  'b\nc' d");
    expect(words.map(({ text, line, column }) => [text, line, column])).toEqual([
      ['a', 1, 1],
      ['b\nc', 2, 3],
      ['d', 3, 4],
    ]);
  });
});

test.each([
  ['line ends', 'a b\nc\n\nd', [['a', 'b'], ['c'], ['d']]],
  ['semicolons and bars', 'a; b|c && d & ', [['a'], ['b'], ['c'], ['d']]],
  ['nothing', ' \n# only this\n', []],
])('commands end at %s', (_name, text, found) => {
  expect(commands(text)).toEqual(found);
});

test.each<[name: string, text: string, fault: ImportFault]>([
  ['an open single quote', "a\n 'b", { line: 2, column: 2, detail: "a ' that is never closed" }],
  ['an open double quote', 'a "b\\"', { line: 1, column: 3, detail: 'a " that is never closed' }],
  ['JSON left open', 'a {"b":"}"', { line: 1, column: 3, detail: 'JSON that is never closed' }],
  ...['$NAME', '${NAME}', '$(date)', '`date`', '"$NAME"', "$'\\n'"].map((text): [string, string, ImportFault] => {
    const [column, sign] = [text.startsWith('"') ? 2 : 1, text.includes('`') ? '`' : '$'];
    const detail = `${sign} stands for what only the shell knows: send the arguments as QEMU got them`;
    return [text, text, { line: 1, column, detail }];
  }),
])('%s is refused', (_name, text, fault) => {
  expect(() => commands(text)).toThrow(new ImportError([fault]));
});

test('words that are quoted come back', () => {
  const quote = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`;
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'binary' }), { minLength: 1 }), (words) => {
      const plain = words.map((word) => word.replaceAll('\r\n', '\n'));
      expect(commands(plain.map(quote).join(' '))).toEqual([plain]);
    }),
  );
});
