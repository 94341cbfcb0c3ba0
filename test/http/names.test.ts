import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cutAtMarks, markedName, withoutNames } from '../../src/http/names.ts';

/** The text that {@link withoutNames} was given. */
const putBack = ({ text, names }: { readonly text: string; readonly names: readonly string[] }): string => {
  const { texts, names: blanks } = cutAtMarks(text, (piece) => piece);
  return texts.map((piece, index) => piece + (names[blanks[index] as number] ?? '')).join('');
};

const keys = fc.oneof(
  fc.constantFrom('ref', 'name', 'host', 'vm', '"ref', 'ref":"x', 'host\\'),
  fc.string({ unit: 'grapheme' }),
);
const texts = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  fc.constantFrom('"ref":"a"', '\\"name\\": "b"', 'a\tb', '\\', '"'),
);
const json = fc.letrec((tie) => ({
  value: fc.oneof({ depthSize: 'small' }, texts, fc.integer(), tie('list'), tie('object')),
  list: fc.array(tie('value'), { maxLength: 4 }),
  object: fc.dictionary(keys, tie('value'), { maxKeys: 5 }),
})).value;
const spaced = fc
  .tuple(json, fc.constantFrom(undefined, 1))
  .map(([value, space]) => JSON.stringify(value, null, space));

describe('JSON without its names', () => {
  it.each([
    ['a ref and a host', '{"ref":"a","vm":{"vfio":[{"host":"0000:3b:00.1"}]}}', ['a', '0000:3b:00.1']],
    ['with a blank after the colon', '{"ref": "a"}', ['a']],
    ['a name that is empty', '{"name":""}', ['']],
    ['a name that needs an escape stays', '{"name":"a\\"b"}', []],
    ['a control character, with which it is no JSON, stays', '{"name":"a\tb"}', []],
    ['a number stays', '{"ref":1}', []],
    ['what is quoted in a text stays', JSON.stringify({ document: '{"ref":"a"}' }), []],
    ['another member stays', '{"hosts":"a","id":"b"}', []],
  ])('%s', (_what, text, names) => {
    expect(withoutNames(text)?.names).toEqual(names);
  });

  it('has marks where the names were', () => {
    const { text } = withoutNames('{"ref":"a","vm":{"name":"b"}}') ?? { text: '' };
    const { ref, vm } = JSON.parse(text) as { ref: string; vm: { name: string } };
    expect([ref, vm.name, 'b', undefined].map(markedName)).toEqual([0, 1, null, null]);
  });

  it('is not made of a text that holds marks', () => {
    expect(withoutNames('{"ref":"\u00910\u0092"}')).toBeNull();
  });

  it('gets them back', () => {
    fc.assert(
      fc.property(fc.oneof(spaced, fc.string()), (text) => {
        const nameless = withoutNames(text);
        expect(nameless ? putBack(nameless) : text).toBe(text);
      }),
      { seed: 5, numRuns: 3000 },
    );
  });

  it('is JSON if it was, with other names in the same places and nothing else changed', () => {
    const marked = (value: unknown, other: unknown, names: string[]): void => {
      if (typeof value === 'string' && value !== other) names.push(value);
      else if (typeof value === 'object' && value !== null) {
        const below = other as Record<string, unknown>;
        expect(Object.keys(below)).toEqual(Object.keys(value));
        for (const [key, each] of Object.entries(value)) {
          if (typeof each === 'string' && each !== below[key]) expect(key).toMatch(/(?:^|")(?:ref|name|host)$/);
          marked(each, below[key], names);
        }
      } else expect(other).toEqual(value);
    };
    fc.assert(
      fc.property(spaced, (text) => {
        const nameless = withoutNames(text);
        if (!nameless) return;
        const names: string[] = [];
        marked(JSON.parse(text), JSON.parse(nameless.text), names);
        expect(names).toEqual(nameless.names);
      }),
      { seed: 5, numRuns: 3000 },
    );
  });
});
