import { createHash } from 'node:crypto';
import { parseSize, SIZE_PATTERN } from '../descriptor/quantities.ts';
import type { Descriptor } from '../descriptor/schema.ts';
import { qemuSince } from '../platform/qemu.ts';
import { rules } from '../rules/index.ts';

/** Counts the changes to conditions of rules, which the hash of the catalogue does not see. */
const EDITION = 1;

/** What the answers depend on beside the descriptor: the rules and the platform tables. */
export const ruleset = `${EDITION}-${sha256(JSON.stringify([rules, qemuSince])).slice(0, 12)}`;

/** The address of a decision: the same question to the same ruleset has the same. */
export const decisionIdOf = (descriptor: Descriptor): string => sha256(`${ruleset}\n${canonical(descriptor)}`);

/**
 * `descriptor` in one form: without what does not bear on the answer, members in order of name, quantities in bytes
 * however they were written.
 */
function canonical({ ref: _ref, vm: { name: _name, ...vm }, ...rest }: Descriptor): string {
  return JSON.stringify({ ...rest, vm }, (_key, value: unknown) => {
    if (typeof value === 'string') return inBytes(value);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
    return Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)));
  });
}

const size = new RegExp(SIZE_PATTERN);

/** A quantity as the whole number a request may also write; above 2^53 − 1 in hex digits. */
function inBytes(text: string): string | number {
  const bytes = size.test(text) ? parseSize(text) : null;
  if (bytes === null) return text;
  return bytes <= Number.MAX_SAFE_INTEGER ? Number(bytes) : `0x${bytes.toString(16)}`;
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
