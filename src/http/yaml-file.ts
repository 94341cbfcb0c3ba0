import { type Pointer, tokens } from '../descriptor/pointer.ts';
import { ImportError } from '../importers/import-error.ts';
import { parseYaml, type YamlNode } from '../importers/yaml.ts';
import type { Place } from './problems.ts';

/** A file of the operator's, in YAML or JSON. */
export interface YamlFile {
  readonly content: unknown;
  /** The line of what is at `pointer`, that of its key if it has one, or of the nearest that it lies in. */
  readonly lineOf: (pointer: Pointer) => number;
  /** An error that tells of `faults` by line. */
  readonly wrong: (faults: readonly Place[]) => Error;
}

/**
 * What `text` holds.
 * @throws Error naming the line at which it is no YAML, or too much of it.
 */
export function readYaml(text: string): YamlFile {
  const root = parsed(text);
  return {
    content: plain(root),
    lineOf: (pointer) => lineOf(root, pointer),
    wrong: (faults) => {
      const told = faults.map(({ pointer = '', detail }) => [`line ${lineOf(root, pointer)}`, pointer, detail]);
      return new Error(told.map((parts) => parts.filter((part) => part !== '').join(': ')).join('; '));
    },
  };
}

function parsed(text: string): YamlNode {
  try {
    return parseYaml(text);
  } catch (error) {
    throw error instanceof ImportError ? new Error(error.message.replaceAll('\n', '; '), { cause: error }) : error;
  }
}

function plain({ value }: YamlNode): unknown {
  if (value instanceof Map) {
    return Object.fromEntries([...(value as ReadonlyMap<string, YamlNode>)].map(([key, node]) => [key, plain(node)]));
  }
  return Array.isArray(value) ? (value as readonly YamlNode[]).map(plain) : value;
}

function lineOf(root: YamlNode, pointer: Pointer): number {
  let at = root;
  for (const key of tokens(pointer)) {
    const next = within(at, key);
    if (next === undefined) break;
    at = next;
  }
  return at.keyLine ?? at.line;
}

function within({ value }: YamlNode, key: string): YamlNode | undefined {
  if (value instanceof Map) return (value as ReadonlyMap<string, YamlNode>).get(key);
  return Array.isArray(value) ? (value as readonly YamlNode[])[Number(key)] : undefined;
}
