import type { Pointer } from '../descriptor/pointer.ts';
import type { Scenario } from '../descriptor/scenario.ts';
import type { Descriptor } from '../descriptor/schema.ts';
import type { Finding } from '../rules/finding.ts';

/** A VM that was judged by QEMU's rules: on the source and, where one is given, on the destination. */
export interface Judged {
  readonly descriptor: Descriptor;
  readonly source: Scenario;
  readonly destination: Scenario | null;
  /** Whether what does not fire is listed too. */
  readonly includeClear?: boolean;
}

/** What a site says beyond QEMU. */
export interface SitePolicy {
  /** Names what is in force: the same revision answers the same. */
  readonly revision: string;
  /** `findings` of QEMU's rules, marked where the site accepts them, and what the site itself finds. Pure. */
  readonly heed: (findings: readonly Finding[], judged: Judged) => readonly Finding[];
  /** Whether it looks at what QEMU never comes to say, because it stops before. */
  readonly looksBehind: boolean;
  /** Values of the fact at `pointer` that make a difference to the site, beside those that do to QEMU's rules. */
  readonly valuesAt: (pointer: Pointer) => readonly unknown[];
}
