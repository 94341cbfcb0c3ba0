import type { Placements } from '../evaluation/placements-schema.ts';
import { bullets, inked, section } from './decision-text.ts';
import { columns, type Ink, plain, printable, text, wrapped } from './terminal.ts';

type Candidate = Placements['groups'][number]['candidates'][number];

/** A line of the table: the verdict, which host, and why. */
interface Row {
  readonly verdict: string;
  readonly host: string;
  readonly reason: string;
  readonly paint: (shown: string) => string;
}

/** Columns that the names of hosts may take; a longer one moves its reason to the next line. */
const HOST_MAX = 24;

/** `placements` as a table for a terminal, best first; hosts to which the same applies point at the first of them. */
export function placementsText({ ref, groups, invalid, assumptions }: Placements, ink: Ink = plain): string {
  const rows = [
    ...groups.flatMap(({ verdict, candidates, summary }) =>
      candidates.map((candidate, index): Row => {
        const [first = candidate] = candidates;
        const reason = index === 0 ? summary : `as ${hostOf(first)}`;
        return { verdict, host: hostOf(candidate), reason, paint: (shown) => inked(verdict, shown, ink) };
      }),
    ),
    ...invalid.map((candidate): Row => {
      const reason = candidate.errors.map(({ pointer, detail }) => `${pointer} ${detail}`).join('; ');
      return { verdict: 'invalid', host: hostOf(candidate), reason, paint: (shown) => shown };
    }),
  ];
  const width = Math.min(HOST_MAX, Math.max(...rows.map(({ host }) => columns(host))));
  const counts = new Map<string, number>();
  for (const { verdict } of rows) counts.set(verdict, (counts.get(verdict) ?? 0) + 1);
  const totals = [...counts].map(([verdict, count]) => `${count} ${verdict}`).join(', ');
  return text([
    ...wrapped(0, ref === undefined ? totals : `${ref}: ${totals}`),
    '',
    ...rows.flatMap((row) => rowLines(row, width)),
    ...section('Assumed', bullets(assumptions), ink),
  ]);
}

const VERDICT = 'allowed'.length;

function rowLines({ verdict, host, reason, paint }: Row, width: number): string[] {
  const hang = VERDICT + 2 + width + 2;
  const lead = `${verdict.padEnd(VERDICT)}  ${host}`;
  const isLong = columns(host) > width;
  const [first = '', ...rest] = isLong
    ? [lead, ...wrapped(hang, reason, hang)]
    : wrapped(0, `${lead}${' '.repeat(width - columns(host))}  ${reason}`, hang);
  return [paint(verdict) + first.slice(verdict.length), ...rest];
}

/** What its caller calls a host, or its place in the request. */
const hostOf = ({ ref, index }: Candidate): string => (ref === undefined ? `#${index}` : printable(ref));
