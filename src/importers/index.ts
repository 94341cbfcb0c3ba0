import { ImportError, refuse } from './import-error.ts';
import type { Found, Imported } from './imported.ts';
import { findDescriptors } from './json.ts';
import { findKubevirt } from './kubevirt.ts';
import { findDomains } from './libvirt-xml.ts';
import { importQemuArgv } from './qemu-argv.ts';
import { looksLikeQemuCommand } from './qemu-command.ts';

/** The formats of documents that say what a VM is, by the names that a request gives them. */
const importers = {
  descriptor: findDescriptors,
  kubevirt: findKubevirt,
  'libvirt-xml': findDomains,
  'qemu-argv': (text: string) => [{ place: {}, read: () => importQemuArgv(text) }],
} as const satisfies Record<string, (text: string) => readonly Found[]>;

export type Format = keyof typeof importers;

export const formats = Object.keys(importers) as readonly Format[];

/**
 * The one VM that the document `text` describes. Throws an {@link ImportError} with every fault found, and never anything
 * else; a document of several VMs is one, which names where each begins.
 */
export function importDocument(format: Format, text: string): Imported {
  const [only, ...more] = importers[format](text);
  if (only === undefined) return refuse({}, 'the document lists no VM');
  if (more.length === 0) return only.read();
  throw new ImportError(
    more.map(({ place }) => ({ ...place, detail: 'a second VM: send one at a time, or all to the batch' })),
  );
}

/** Every VM that the document `text` describes, in its order. Throws as {@link importDocument} does. */
export const importDocuments = (format: Format, text: string): readonly Imported[] =>
  importers[format](text).map(({ read }) => read());

/** What `text` looks like; `undefined` where it looks like nothing that can be read. */
export function sniffFormat(text: string): Format | undefined {
  const start = /^\uFEFF?\s*(?<first>[<{[]?)/.exec(text)?.groups?.['first'];
  if (start === '<') return 'libvirt-xml';
  if (start === '{') return isKubernetes(text) ? 'kubevirt' : 'descriptor';
  if (looksLikeQemuCommand(text)) return 'qemu-argv';
  if (start === '[') return 'descriptor';
  return /^["']?apiVersion["']?[^\S\n]*:/m.test(text) ? 'kubevirt' : undefined;
}

/** Whether JSON is an object of Kubernetes's. A descriptor has no such member, but may hold a document that has. */
function isKubernetes(text: string): boolean {
  if (!text.includes('"apiVersion"')) return false;
  try {
    return Object.hasOwn(JSON.parse(text) as object, 'apiVersion');
  } catch {
    return /^\uFEFF?\s*\{\s*"apiVersion"/.test(text);
  }
}
