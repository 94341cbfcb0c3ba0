import type { Errno } from 'migration-preflight/simulator';

/** One ioctl and what a real kernel answered: the file's own fields, as far as a model can be held to them. */
export interface Case {
  readonly id: string;
  readonly category: string;
  readonly kernel: string;
  readonly hw: string;
  readonly guest_mem: string;
  readonly env: string;
  readonly api: string;
  readonly op: string;
  readonly scenario: string;
  readonly inputs: Inputs;
  /** 0 for success. */
  readonly result_errno: number;
  readonly bytes_unmapped: number | null;
  readonly bits_set: number | null;
  readonly size_field_after?: number;
  readonly vmallocused_delta_kib?: number;
  readonly sunreclaim_delta_kib?: number;
  readonly mappings_made?: number;
  readonly dma_avail_before?: number;
  readonly dma_avail_after_10?: number;
  readonly dma_avail_after?: number;
  readonly bits_past_range?: number;
  readonly bits_set_in_first_bitmap_page?: number;
  readonly out?: { readonly iova_alignment?: number; readonly ranges?: readonly [string, string][] };
}

interface Inputs {
  readonly iova?: string;
  readonly size?: number;
  readonly size_h?: string;
  readonly length?: number;
  readonly length_h?: string;
  readonly flags?: number;
  readonly argsz?: number;
  readonly vaddr?: string;
  readonly bitmap_pgsize?: number;
  readonly bitmap_size?: number;
  readonly bitmap_data?: string;
  readonly page_size?: number;
  readonly data?: string;
  readonly bitmap_bytes_needed?: number;
  readonly dirty_iova?: string;
  readonly dma_entry_limit?: number;
  readonly map_size?: number;
  readonly areas?: number;
}

/** What the model answers, in the case's terms; `null` for what the call does not return. */
export interface Answer {
  readonly errno: Errno | null;
  /** The size or length field after the call. */
  readonly size?: bigint;
  readonly bits?: Readonly<Record<'bits_set' | 'bits_past_range' | 'bits_set_in_first_bitmap_page', bigint>>;
  /** Least and most KiB of kernel memory that the call takes. */
  readonly memory?: readonly [number, number];
  readonly counts?: Readonly<
    Record<'mappings_made' | 'dma_avail_before' | 'dma_avail_after_10' | 'dma_avail_after', bigint>
  >;
  /** Whether the call changed what is mapped or dirty. */
  readonly changed: boolean;
  /** Whether an empty container's answer is that of any: the call fails, or does what it does, whatever is mapped. */
  readonly settled: boolean;
}

/** Why a case cannot be replayed. Few on purpose: they are counted. */
export const reasons = {
  prior: 'what was mapped or written before is neither recorded nor stated',
  inputs: 'the arguments of the call are not recorded, or not in terms that are known',
  call: 'no call of a container that maps, unmaps or tracks',
  allocated: 'lets the kernel choose the IOVA',
  kernel: 'between the kernels whose answers are known',
} as const;

const UNITS = { K: 10n, M: 20n, G: 30n, T: 40n } as const;

/** A size as the cases write it, such as `2052K` or `8T-4K`. */
export const SIZE = String.raw`\d+[KMGT](?:[+-]\d+[KMGT])?`;

/** Bytes of a {@link SIZE}. */
export function parseSize(text: string): bigint {
  const terms = [...text.matchAll(/([+-]?)(\d+)([KMGT])/g)];
  return terms.reduce((sum, [, sign, digits, unit]) => {
    const bytes = BigInt(digits as string) << UNITS[unit as keyof typeof UNITS];
    return sign === '-' ? sum - bytes : sum + bytes;
  }, 0n);
}

/** The range that a call names. JSON rounds 2^64 − 1, of which `_h` keeps every digit. */
export function rangeOf({ iova = '0x0', size, size_h, length, length_h }: Inputs): { iova: bigint; size: bigint } {
  const digits = /^\d+$/.exec(length_h ?? size_h ?? '')?.[0];
  return { iova: BigInt(iova), size: BigInt(digits ?? length ?? size ?? 0) };
}
