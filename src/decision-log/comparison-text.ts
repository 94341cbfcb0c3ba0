import type { Comparison, Example } from './comparison.ts';
import { keyOf } from './outcome.ts';

type Compared = ReturnType<Comparison['totals']>;

const called = ({ line, ref, name }: Example): string => {
  const names = [ref, name].filter((each) => each !== undefined);
  return `line ${line}${names.length > 0 ? ` (${names.join(', ')})` : ''}`;
};

const some = ({ count, examples }: Compared['figures']): string =>
  `${examples.map(called).join(', ')}${count > examples.length ? ', …' : ''}`;

/** What a comparison comes to, for people. */
export function comparisonText({
  lines,
  same,
  changed,
  errors,
  decisionIds,
  verdicts,
  rules,
  figures,
}: Compared): string {
  const turned = verdicts.filter(({ from, to }) => from !== to);
  const settled = verdicts.filter(({ from, to }) => from === to);
  const ids = [
    `${decisionIds.same} with the address that was logged`,
    `${decisionIds.other} with another`,
    ...(decisionIds.masked > 0 ? [`${decisionIds.masked} masked, so that it cannot be told`] : []),
  ];
  const ofRules = rules.flatMap(({ appeared, vanished, ...rule }) => [
    ...(appeared.count > 0 ? [`  ${keyOf(rule)}: ${appeared.count} more, ${some(appeared)}`] : []),
    ...(vanished.count > 0 ? [`  ${keyOf(rule)}: ${vanished.count} fewer, ${some(vanished)}`] : []),
  ]);
  const section = (title: string, text: readonly string[]): string[] => (text.length > 0 ? ['', title, ...text] : []);
  return [
    `${lines} lines: ${changed} change, ${same} do not, ${errors} cannot be decided again`,
    `Decisions: ${ids.join(', ')}`,
    ...section('Verdicts', [
      ...turned.map((each) => `  ${each.from} -> ${each.to}: ${each.count}, ${some(each)}`),
      ...settled.map(({ to, count }) => `  ${to} as before: ${count}`),
    ]),
    ...section('Rules', ofRules),
    ...section('Figures', figures.count > 0 ? [`  others: ${figures.count}, ${some(figures)}`] : []),
    '',
  ].join('\n');
}
