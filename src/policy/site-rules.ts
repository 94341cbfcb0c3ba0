import { isFalse, yes } from '../descriptor/fact.ts';
import type { Finding, Subject } from '../rules/finding.ts';
import { conditionOf, messageOf, namesFor } from './expression.ts';
import type { Mention } from './inspection.ts';
import type { RuleContent } from './schema.ts';
import { type Outcome, siteFinding, siteRule } from './site-finding.ts';
import type { Context } from './vocabulary.ts';

/** A rule of the site, ready to be asked. */
export interface SiteRule {
  /** What it finds, of the VM or of each device or container. */
  readonly find: (context: Context) => Finding[];
  /** Steps that it takes at most, of one VM, device or container. */
  readonly cost: number;
}

/** Where in a rule something is wrong. */
export class RuleFault extends Error {
  readonly member: 'when' | 'message';

  constructor(member: 'when' | 'message', cause: Error) {
    super(cause.message, { cause });
    this.member = member;
  }
}

/**
 * The rule that `content` says. It may ask for the `rules` that come before it; `mentions` is told of the versions that it
 * tells apart.
 * @throws RuleFault saying what is wrong with which of its expressions.
 */
export function siteRuleOf(
  content: RuleContent,
  rules: ReadonlySet<string>,
  mentions: (mention: Mention) => void,
): SiteRule {
  const { id, title = id, each = 'vm', when, verdict, message, liftedBy } = content;
  const rule = siteRule(id, title, liftedBy);
  const vocabulary = { names: namesFor(each), rules, mentions };
  const condition = attempt('when', () => conditionOf(when, each, vocabulary));
  const fill = attempt('message', () => messageOf(message, each, vocabulary));

  const outcomeOf = (context: Context): Outcome => {
    try {
      const truth = condition.truth(context);
      if (!truth.known) return { lacks: truth.lacks };
      return isFalse(truth) ? { clear: truth } : { message: fill(context), basis: truth };
    } catch (error) {
      // The site cannot say that it does not fire.
      return { message: `${fill(context)} (it came to nothing: ${wordsOf(error)})`, basis: yes };
    }
  };
  const found = (context: Context, subject?: Subject): Finding[] => {
    const outcome = outcomeOf(context);
    return 'clear' in outcome && !context.subject.includeClear ? [] : [siteFinding(rule, verdict, outcome, subject)];
  };
  return {
    cost: condition.cost,
    find: (context) => {
      switch (each) {
        case 'vm':
          return found(context);
        case 'device':
          return context.devices.flatMap((device, index) => {
            context.device = device;
            return found(context, context.subject.source.devices[index]);
          });
        case 'container':
          return context.containers.flatMap((container, index) => {
            context.container = container;
            const [only, ...others] = context.subject.source.containers[index]?.devices ?? [];
            return found(context, others.length > 0 ? undefined : only);
          });
      }
    },
  };
}

/** What CEL says in short. */
const wordsOf = (error: unknown): string =>
  (error as { readonly summary?: string }).summary ?? (error as Error).message;

function attempt<T>(member: RuleFault['member'], read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new RuleFault(member, error as Error);
  }
}
