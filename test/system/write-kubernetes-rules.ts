import { writeFileSync } from 'node:fs';
import { PROMETHEUS_RULE, prometheusRule } from './kubernetes-rules.ts';

/** `npm run kubernetes`: writes what `kubernetes.test.ts` holds against Prometheus' rules. */
writeFileSync(PROMETHEUS_RULE, prometheusRule());
