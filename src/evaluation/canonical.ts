import { hash } from 'node:crypto';
import { parseSize, SIZE_PATTERN } from '../descriptor/quantities.ts';
import type { Descriptor } from '../descriptor/schema.ts';
import { kernelAbilityTable } from '../platform/kernel.ts';
import { qemuSince } from '../platform/qemu.ts';
import { vfioDrivers } from '../platform/vfio-driver.ts';
import type { SitePolicy } from '../policy/site-policy.ts';
import { rules } from '../rules/index.ts';

/** Counts the changes to conditions of rules, and to what is said of missing facts: the hash of the catalogue sees neither. */
const EDITION = 7;

/** What the answers depend on beside the descriptor: the rules and the platform tables. */
export const ruleset = `${EDITION}-${sha256(JSON.stringify([rules, qemuSince, kernelAbilityTable, vfioDrivers])).slice(0, 12)}`;

/** The address of a decision: the same question to the same ruleset has the same. */
export const decisionIdOf = (descriptor: Descriptor, policy: SitePolicy | null = null): string =>
  addressOf(questionOf(descriptor, policy));

/** What a decision depends on, in one form. */
export const questionOf = (descriptor: Descriptor, policy: SitePolicy | null = null): string =>
  `${ruleset}\n${policy?.revision ?? ''}\n${canonical(descriptor)}`;

/** The address of the decision on what {@link questionOf} says. */
export const addressOf = (question: string): string => sha256(question);

/** `descriptor` in one form, without what does not bear on the answer. */
const canonical = ({ ref: _ref, vm: { name: _name, ...vm }, ...rest }: Descriptor): string =>
  canonicalForm({ ...rest, vm });

/**
 * `part` of a descriptor in one form: members in order of name, quantities in bytes however they were written. Written by
 * hand: every decision pays for it, and JSON.stringify with a replacer takes twice as long.
 */
export function canonicalForm(part: unknown): string {
  if (typeof part === 'string') return canonicalText(part);
  // What JSON.parse makes of numbers and the like is written so again.
  if (typeof part !== 'object' || part === null) return String(part);
  if (Array.isArray(part)) return `[${part.map(canonicalForm).join(',')}]`;
  const members = part as Readonly<Record<string, unknown>>;
  let text = '';
  for (const key of Object.keys(members).toSorted()) {
    if (members[key] === undefined) continue;
    text += `${text === '' ? '' : ','}${quoted(key)}:${canonicalForm(members[key])}`;
  }
  return `{${text}}`;
}

const size = new RegExp(SIZE_PATTERN);

/** A quantity as the whole number a request may also write, above 2^53 − 1 in hex digits; any other text as it is. */
function canonicalText(text: string): string {
  const bytes = size.test(text) ? parseSize(text) : null;
  if (bytes === null) return quoted(text);
  return bytes <= Number.MAX_SAFE_INTEGER ? String(bytes) : `"0x${bytes.toString(16)}"`;
}

/** Text in which JSON escapes nothing. */
const PLAIN = /^[ !#-[\]-~]*$/;

const quoted = (text: string): string => (PLAIN.test(text) ? `"${text}"` : JSON.stringify(text));

function sha256(text: string): string {
  return hash('sha256', text);
}
