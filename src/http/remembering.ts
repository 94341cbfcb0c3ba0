import type { FastifyBaseLogger, FastifyRequest } from 'fastify';
import { type Asked, DecisionLog, type DecisionLogSettings } from '../decision-log/decision-log.ts';
import type { DecisionLogMetrics } from '../metrics/decision-log-metrics.ts';
import type { PolicyQuery } from './policies.ts';
import { traceIdOf } from './tracing.ts';

/**
 * The decision log that `settings` ask for, if any. What becomes of it is counted, and told to `log` as it changes.
 * @throws Error if there is nothing to write to.
 */
export async function openDecisionLog(
  settings: DecisionLogSettings | null,
  metrics: DecisionLogMetrics,
  log?: FastifyBaseLogger,
): Promise<DecisionLog | null> {
  if (settings === null) return null;
  try {
    return await DecisionLog.open(settings, {
      written: (lines, bytes) => metrics.written(lines, bytes),
      dropped: (lines) => metrics.dropped(lines),
      overflows: (reason) => log?.warn({ reason }, 'decisions are dropped from the decision log'),
      recovered: (dropped) => log?.info({ dropped }, 'the decision log keeps up again'),
    });
  } catch (error) {
    throw new Error(`decision log: ${(error as Error).message}`, { cause: error });
  }
}

/** Who asks `request`. */
export const askedIn = ({ id, headers, clientName, query }: FastifyRequest): Asked => ({
  requestId: id,
  traceId: traceIdOf(headers['traceparent'], id),
  client: clientName,
  policy: (query as PolicyQuery).policy,
});
