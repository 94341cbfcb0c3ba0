/** How many texts are remembered at most, about: a power of two. */
const SLOTS = 1 << 16;

/**
 * Tells what was seen before from what is new, and keeps four bytes of each. What two have in common by chance is taken for
 * the same, and what has not been seen for long is forgotten: it is for deciding what is worth being kept.
 */
export class Sights {
  readonly #hashes = new Int32Array(SLOTS);

  /** Whether `text` was seen in `context` before; it is from now on. */
  again(context: string, text: string): boolean {
    const hash = hashOf(text, hashOf(context));
    const slot = hash & (SLOTS - 1);
    if (this.#hashes[slot] === hash) return true;
    this.#hashes[slot] = hash;
    return false;
  }
}

/** FNV-1a over UTF-16 units, from `hash` on, and never 0, which is nothing seen. */
function hashOf(text: string, hash = 0x811c9dc5): number {
  let mixed = hash;
  for (let index = 0; index < text.length; index++) mixed = Math.imul(mixed ^ text.charCodeAt(index), 0x01000193);
  return mixed || 1;
}
