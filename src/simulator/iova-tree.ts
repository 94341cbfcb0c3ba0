import { ADDRESS_MAX } from './uint64.ts';

/** QEMU's IOMMUAccessFlags: bit 0 read, bit 1 write, 0 none. */
export type Perm = 0 | 1 | 2 | 3;

/** The IOVAs [iova, iova + addrMask], both inclusive. A search may wrap at 2^64, an entry never does. */
export interface IovaSpan {
  readonly iova: bigint;
  /** Length in bytes less one, as in QEMU, where this field of a DMAMap is called `size`. */
  readonly addrMask: bigint;
}

/** One mapping that a vIOMMU has announced. QEMU's DMAMap. */
export interface DmaMap extends IovaSpan {
  /** The guest physical address that `iova` maps to. */
  readonly translatedAddress: bigint;
  readonly perm: Perm;
}

/** What an insertion comes to: done, a span that wraps at 2^64 or allows no access, an overlap with an entry. */
const IOVA_OK = 0;
const IOVA_ERR_INVALID = -1;
const IOVA_ERR_OVERLAP = -2;

// A node is 32 bytes: three 64-bit values (first byte, last byte, translated address), then the numbers of its left and
// right child, so that a search touches one cache line a level.
const VALUES = 4;
const IOVA = 0;
const LAST = 1;
const TRANSLATED = 2;
const WORDS = 8;
const LEFT = 6;
const RIGHT = 7;

const littleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;
const HIGH = littleEndian ? 1 : 0;
const LOW = 1 - HIGH;

/** No tree of 2^32 nodes is deeper than this. */
const DEEPEST = 48;

/**
 * The mappings that a vIOMMU has announced for one address space, in a tree of the very shape that QEMU's has: which
 * entry {@link find} returns, and so the order in which a loop of find and {@link remove} meets the entries, depends on it.
 *
 * 1. The key of an entry is its span; a key that overlaps an entry is equal to it, so the first entry that overlaps on
 *    the way down from the root is found.
 * 2. The tree is AVL. Rebalancing is a single rotation unless the tall child leans inwards; a removed entry gives
 *    its place to its successor if that is below it.
 *
 * Entries are never merged and never split. 34 bytes an entry, and up to an eighth more that is held in reserve.
 *
 * Models util/iova-tree.c (QEMU 10.0 and 10.2) over the GTree of glib 2.74.6; other versions of glib were not compared.
 */
export class IovaTree implements Iterable<DmaMap> {
  // Node 0 is none. Its values are the span that is searched for, its left child is the root.
  #values = new BigUint64Array(0);
  #words = new Uint32Array(0);
  #perms = new Uint8Array(0);
  /** Height of the right subtree less that of the left, by node. */
  #balances = new Int8Array(0);
  /** The first node that was never used. */
  #fresh = 1;
  /** The last node that was freed; the one freed before it is its left child. */
  #freed = 0;
  #count = 0;
  /** Links followed on the way down, from the one to the root on: a link is the index of a child's number. */
  readonly #path = new Uint32Array(DEEPEST);

  constructor() {
    this.#resize(64);
  }

  /** Number of entries. */
  get count(): number {
    return this.#count;
  }

  /** Entries on the longest way down: 0 for an empty tree. */
  get height(): number {
    let height = 0;
    for (let node = this.#word(LEFT); node !== 0; height++) {
      node = this.#word(node * WORDS + (this.#balance(node) > 0 ? RIGHT : LEFT));
    }
    return height;
  }

  /**
   * Adds `map`: 0, or, with nothing added, −1 when it wraps at 2^64 or allows no access, −2 when it overlaps an entry.
   *
   * Models `iova_tree_insert`.
   */
  insert(map: DmaMap): typeof IOVA_OK | typeof IOVA_ERR_INVALID | typeof IOVA_ERR_OVERLAP {
    if (map.iova + map.addrMask > ADDRESS_MAX || map.perm === 0) return IOVA_ERR_INVALID;
    const depth = this.#descend(map);
    const link = this.#path[depth] as number;
    if (this.#word(link) !== 0) return IOVA_ERR_OVERLAP;
    const node = this.#allocate();
    this.#copy(0, node);
    this.#values[node * VALUES + TRANSLATED] = map.translatedAddress;
    this.#perms[node] = map.perm;
    this.#words[link] = node;
    this.#retrace(depth, 1);
    this.#count++;
    return IOVA_OK;
  }

  /**
   * The first entry, on the way down from the root, that overlaps `span`. A span that wraps at 2^64 is met only by an
   * entry that holds both its first byte and its (lower) last one, and may miss even that.
   *
   * Models `iova_tree_find`.
   */
  find(span: IovaSpan): DmaMap | undefined {
    const node = this.#word(this.#path[this.#descend(span)] as number);
    return node === 0 ? undefined : this.#entry(node);
  }

  /**
   * The lowest entry whose translated addresses overlap those of `map`, by looking at every entry.
   *
   * Models `iova_tree_find_iova`.
   */
  findIova({ translatedAddress, addrMask }: Pick<DmaMap, 'translatedAddress' | 'addrMask'>): DmaMap | undefined {
    const last = BigInt.asUintN(64, translatedAddress + addrMask);
    for (const map of this) {
      const mapLast = BigInt.asUintN(64, map.translatedAddress + map.addrMask);
      if (mapLast >= translatedAddress && last >= map.translatedAddress) return map;
    }
    return undefined;
  }

  /**
   * Takes out every entry that {@link find} finds for `span`, whole, and returns how many those were.
   *
   * Models `iova_tree_remove`.
   */
  remove(span: IovaSpan): number {
    const before = this.#count;
    for (;;) {
      const depth = this.#descend(span);
      if (this.#word(this.#path[depth] as number) === 0) return before - this.#count;
      this.#removeAt(depth);
    }
  }

  /** Takes out every entry. */
  clear(): void {
    this.#words[LEFT] = 0;
    this.#fresh = 1;
    this.#freed = 0;
    this.#count = 0;
  }

  /** The entries by ascending IOVA. */
  *[Symbol.iterator](): Generator<DmaMap> {
    const above: number[] = [];
    let node = this.#word(LEFT);
    while (node !== 0 || above.length > 0) {
      for (; node !== 0; node = this.#word(node * WORDS + LEFT)) above.push(node);
      const next = above.pop() as number;
      yield this.#entry(next);
      node = this.#word(next * WORDS + RIGHT);
    }
  }

  /** Follows links until one leads to an entry that overlaps `span`, or nowhere, and returns that link's depth. */
  #descend({ iova, addrMask }: IovaSpan): number {
    this.#values[IOVA] = iova;
    this.#values[LAST] = iova + addrMask;
    const words = this.#words;
    let depth = 0;
    let link = LEFT;
    for (;;) {
      this.#path[depth] = link;
      const node = words[link] as number;
      if (node === 0) return depth;
      // A span that wrapped may lie on both sides; QEMU asks for the right one first.
      if (this.#isAbove(0, IOVA, node, LAST)) link = node * WORDS + RIGHT;
      else if (this.#isAbove(node, IOVA, 0, LAST)) link = node * WORDS + LEFT;
      else return depth;
      depth++;
    }
  }

  /** Whether value `a` of `node` is larger than value `b` of `other`. */
  #isAbove(node: number, a: number, other: number, b: number): boolean {
    const at = node * WORDS + 2 * a;
    const otherAt = other * WORDS + 2 * b;
    const high = this.#word(at + HIGH);
    const otherHigh = this.#word(otherAt + HIGH);
    return high > otherHigh || (high === otherHigh && this.#word(at + LOW) > this.#word(otherAt + LOW));
  }

  /** Takes out the entry that the link at `depth` of the path leads to. */
  #removeAt(depth: number): void {
    const node = this.#word(this.#path[depth] as number);
    const right = node * WORDS + RIGHT;
    if (this.#word(right) === 0) {
      this.#unlink(depth, this.#word(node * WORDS + LEFT));
    } else {
      let last = depth;
      for (let next = right; this.#word(next) !== 0; next = this.#word(next) * WORDS + LEFT) this.#path[++last] = next;
      const successor = this.#word(this.#path[last] as number);
      this.#copy(successor, node);
      this.#unlink(last, this.#word(successor * WORDS + RIGHT));
    }
    this.#count--;
  }

  /** Lets the link at `depth` of the path lead to `child`, and frees the node that it led to. */
  #unlink(depth: number, child: number): void {
    const link = this.#path[depth] as number;
    const node = this.#word(link);
    this.#words[link] = child;
    this.#retrace(depth, -1);
    this.#words[node * WORDS + LEFT] = this.#freed;
    this.#freed = node;
  }

  /** What hangs from the link at `depth` of the path grew by 1 or shrank (−1): balances the entries above it. */
  #retrace(depth: number, change: 1 | -1): void {
    for (let at = depth; at > 0; at--) {
      const link = this.#path[at] as number;
      const parentLink = this.#path[at - 1] as number;
      const parent = this.#word(parentLink);
      const balance = this.#balance(parent) + (link % WORDS === RIGHT ? change : -change);
      this.#balances[parent] = balance;
      if (balance > 1) this.#rotateInto(parentLink, RIGHT);
      if (balance < -1) this.#rotateInto(parentLink, LEFT);
      // A tree that grew and is level is as high as before; so is one that shrank and is not level.
      if ((this.#balance(this.#word(parentLink)) === 0) === (change === 1)) return;
    }
  }

  /** Levels the tree below `link`, too high on side `tall`. */
  #rotateInto(link: number, tall: number): void {
    const childLink = this.#word(link) * WORDS + tall;
    const leansInwards = this.#balance(this.#word(childLink)) * (tall === RIGHT ? 1 : -1) < 0;
    if (leansInwards) this.#rotate(childLink, LEFT + RIGHT - tall);
    this.#rotate(link, tall);
  }

  /** Moves the child on side `tall` of the node below `link` up into that node's place. */
  #rotate(link: number, tall: number): void {
    const node = this.#word(link);
    const child = this.#word(node * WORDS + tall);
    const inner = child * WORDS + LEFT + RIGHT - tall;
    this.#words[node * WORDS + tall] = this.#word(inner);
    this.#words[inner] = node;
    this.#words[link] = child;
    const sign = tall === RIGHT ? 1 : -1;
    const childBalance = this.#balance(child) * sign;
    const lowered = this.#balance(node) * sign - 1 - Math.max(childBalance, 0);
    this.#balances[node] = lowered * sign;
    this.#balances[child] = (childBalance - 1 + Math.min(lowered, 0)) * sign;
  }

  /** A node without children, its values unset. */
  #allocate(): number {
    let node = this.#freed;
    if (node === 0) {
      node = this.#fresh++;
      if (node === this.#perms.length) this.#resize(Math.ceil((node * 9) / 8));
    } else {
      this.#freed = this.#word(node * WORDS + LEFT);
    }
    this.#words[node * WORDS + LEFT] = 0;
    this.#words[node * WORDS + RIGHT] = 0;
    this.#balances[node] = 0;
    return node;
  }

  #resize(nodes: number): void {
    const values = new BigUint64Array(nodes * VALUES);
    values.set(this.#values);
    this.#values = values;
    this.#words = new Uint32Array(values.buffer);
    const perms = new Uint8Array(nodes);
    perms.set(this.#perms);
    this.#perms = perms;
    const balances = new Int8Array(nodes);
    balances.set(this.#balances);
    this.#balances = balances;
  }

  /** Copies what an entry says, not where it hangs. */
  #copy(from: number, to: number): void {
    this.#words.copyWithin(to * WORDS, from * WORDS, from * WORDS + LEFT);
    this.#perms[to] = this.#perms[from] as number;
  }

  #entry(node: number): DmaMap {
    const iova = this.#values[node * VALUES + IOVA] as bigint;
    const last = this.#values[node * VALUES + LAST] as bigint;
    const translatedAddress = this.#values[node * VALUES + TRANSLATED] as bigint;
    return { iova, addrMask: last - iova, translatedAddress, perm: this.#perms[node] as Perm };
  }

  #word(index: number): number {
    return this.#words[index] as number;
  }

  #balance(node: number): number {
    return this.#balances[node] as number;
  }
}
