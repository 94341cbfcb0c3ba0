import { resolve } from '../descriptor/scenario.ts';
import type { Descriptor } from '../descriptor/schema.ts';
import type { Finding } from '../rules/finding.ts';
import { judge } from '../rules/judge.ts';

/** What the rules find on the source and, where one is given, on the destination. */
export const findingsOf = (descriptor: Descriptor): Finding[] => [
  ...judge(resolve(descriptor, 'source')),
  ...(descriptor.destination ? judge(resolve(descriptor, 'destination')) : []),
];
