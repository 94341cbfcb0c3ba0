import { choose, type Fact, map } from '../descriptor/fact.ts';
import { formatSize, bytesOf, type Size } from '../descriptor/quantities.ts';
import type { Scenario } from '../descriptor/scenario.ts';
import type { Finding } from '../rules/finding.ts';
import { figureOf, figures, type Range } from './figures.ts';
import type { LimitContent } from './schema.ts';
import { siteFinding, siteRule, type SiteVerdict } from './site-finding.ts';

/** A rule of each figure that a limit may be set to. */
const rules = {
  largestBitmap: siteRule('policy-largest-bitmap', 'A dirty bitmap above the limit of the site'),
  totalBitmap: siteRule('policy-total-bitmap', 'Dirty bitmaps above the limit of the site'),
  trackingMemory: siteRule('policy-tracking-memory', 'Memory for dirty tracking above the limit of the site'),
  dirtyBytesPerPass: siteRule('policy-dirty-bytes', 'Dirty bytes a pass above the limit of the site'),
  unmapCalls: siteRule('policy-unmap-calls', 'DMA unmaps above the limit of the site'),
  downtimeMs: siteRule('policy-downtime', 'A downtime above the limit of the site'),
} as const satisfies Readonly<Record<LimitContent['figure'], unknown>>;

/** Ids of what the site finds by its limits. */
export const limitIds: readonly string[] = Object.values(rules).map(({ id }) => id);

/** Finds whether what `here` costs passes a limit, or may pass it. */
export type Limit = (here: Scenario) => Finding;

/** A limit as the policy file says it. */
export function limitOf(content: LimitContent): Limit {
  const { figure, verdict, backend } = content;
  const of = backend === undefined ? '' : ` of ${backend} devices`;
  if (content.figure === 'downtimeMs') {
    const { bandwidth, most } = content;
    const says = `the downtime that what each pass finds dirty${of} takes`;
    return (here) => held(figure, verdict, says, downtime(here, bandwidth, backend), BigInt(most), (ms) => `${ms} ms`);
  }
  const { figure: name } = content;
  const limit = name === 'unmapCalls' ? BigInt(content.most) : bytesOf(content.most);
  const written = name === 'unmapCalls' ? String : formatSize;
  const says = `${figures[name].says}${of}`;
  return (here) => held(name, verdict, says, figureOf(here, name, backend), limit, written);
}

/** Milliseconds, rounded up, in which what a pass finds dirty is sent. */
const downtime = (here: Scenario, bandwidth: Size, backend: LimitContent['backend']): Fact<Range> =>
  choose(figureOf(here, 'dirtyBytesPerPass', backend), ({ most, least }) =>
    map(here.migration.bandwidth, (given) => {
      const rate = given ?? bytesOf(bandwidth);
      const milliseconds = (dirty: bigint): bigint => (dirty * 1000n + rate - 1n) / rate;
      return { most: milliseconds(most), least: milliseconds(least) };
    }),
  );

function held(
  name: LimitContent['figure'],
  verdict: SiteVerdict,
  says: string,
  figure: Fact<Range>,
  limit: bigint,
  written: (value: bigint) => string,
): Finding {
  const rule = rules[name];
  if (!figure.known) return siteFinding(rule, verdict, { lacks: figure.lacks });
  const { most, least } = figure.value;
  if (most <= limit) return siteFinding(rule, verdict, { clear: figure });
  const isCertain = least > limit;
  const amount =
    most === least ? `comes to ${written(most)}` : `may come to ${written(most)}, and to ${written(least)} at least`;
  return siteFinding(rule, isCertain || verdict === 'allowed' ? verdict : 'risky', {
    message: `${says} ${amount}; the site allows ${written(limit)}`,
    basis: figure,
    held: { figure: name, value: most, atLeast: least, limit },
  });
}
