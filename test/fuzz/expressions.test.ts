import { readdirSync, readFileSync } from 'node:fs';
import { parseSync, Visitor } from 'oxc-parser';
import { analyse } from 'scslre';
import { describe, expect, it } from 'vitest';
import { namedSchemas } from '../../src/http/schemas.ts';

interface Expression {
  readonly where: string;
  readonly source: string;
  readonly flags: string;
}

/** What is made into an expression as the service runs: what stands elsewhere, or holds nothing that repeats. */
const MADE: ReadonlySet<string> = new Set([
  'new RegExp(SIZE_PATTERN)',
  'new RegExp(HEX_PATTERN)',
  'new RegExp(`^${list}/' + String.raw`\\d+` + '`)',
  "new RegExp(ALTERNATIVE, 'gy')",
]);

const sources = readdirSync('src', { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => `src/${name}`)
  .toSorted();

const literals: Expression[] = [];
const made: string[] = [];
for (const file of sources) {
  const text = readFileSync(file, 'utf8');
  const note = (node: { callee: object; start: number; end: number }): void => {
    if ('name' in node.callee && node.callee.name === 'RegExp') made.push(text.slice(node.start, node.end));
  };
  new Visitor({
    Literal: (node) => {
      if (!('regex' in node)) return;
      const where = `${file}:${text.slice(0, node.start).split('\n').length}`;
      literals.push({ where, source: node.regex.pattern, flags: node.regex.flags });
    },
    NewExpression: note,
    CallExpression: note,
  }).visit(parseSync(file, text).program);
}

/** Patterns of the schemas, which Ajv makes into expressions. */
function patternsIn(node: unknown, where: string): Expression[] {
  if (typeof node !== 'object' || node === null) return [];
  return Object.entries(node).flatMap(([key, value]) =>
    key === 'pattern' && typeof value === 'string'
      ? [{ where, source: value, flags: 'u' }]
      : patternsIn(value, `${where}/${key}`),
  );
}
const patterns = namedSchemas().flatMap((schema) => patternsIn(schema, String(schema['$id'])));

/** Ways in which `expression` takes more than linear time: as it goes back, or as it begins anew at each character. */
const superLinear = ({ source, flags }: Expression): string[] =>
  analyse({ source, flags }).reports.map(({ type, exponential }) => `${type}${exponential ? ', exponential' : ''}`);

describe('an expression takes linear time, whatever it is given', () => {
  it.each([...literals, ...patterns].map((each) => [each.where, each] as const))('%s', (_where, expression) => {
    expect(superLinear(expression), `/${expression.source}/${expression.flags}`).toEqual([]);
  });

  it('of which there are those that were counted when this was written, at least', () => {
    expect(literals.length).toBeGreaterThanOrEqual(160);
    expect(patterns.length).toBeGreaterThanOrEqual(2);
  });

  it('none is made of what was sent', () => {
    expect(made.filter((each) => !MADE.has(each))).toEqual([]);
  });
});

describe('what is found', () => {
  it.each([
    [String.raw`"(?:[^"\\]+|\\[\s\S])*"`, 'y', ['Self, exponential']],
    [String.raw`\/+$`, '', ['Move']],
    [String.raw`^\s*\w*\s*\w*x`, '', expect.arrayContaining(['Trade'])],
    [String.raw`^a+b`, '', []],
  ])('/%s/%s', (source, flags, reports) => {
    expect(superLinear({ where: '', source, flags })).toEqual(reports);
  });
});
