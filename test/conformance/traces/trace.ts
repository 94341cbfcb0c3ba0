/** One step of a real guest as it was recorded. Numbers are hex strings; `seq` orders all that happened in a file. */
export interface RecordedStep {
  readonly scenario: string;
  readonly qemu: string;
  readonly aw_bits: number | null;
  readonly backend: 'legacy' | 'iommufd';
  readonly iommu: string | null;
  readonly devices: readonly string[];
  readonly tracking: 'on' | 'off';
  readonly tracking_detail: { readonly migration_active: boolean };
  /** What the guest moved its group from and to, in words; `null` where it did not act. */
  readonly transition: { readonly from: string | null; readonly to: string | null };
  /** What the vIOMMU and the memory listener told VFIO. */
  readonly events: readonly RecordedEvent[];
  /** What then reached the host kernel. */
  readonly ioctls: readonly RecordedIoctl[];
  /** What the guest asked of the vIOMMU, and what the vIOMMU read in the guest's memory. */
  readonly aux: readonly RecordedAux[];
}

export interface RecordedEvent {
  readonly seq: number;
  readonly op: 'map' | 'unmap' | 'region_add' | 'region_del';
  readonly kind?: string;
  readonly name?: string;
  readonly iova: string;
  readonly size: string;
}

export interface RecordedIoctl {
  readonly seq: number;
  readonly call: string;
  readonly iova?: string;
  readonly size?: string;
  readonly length?: string;
  readonly flags?: string;
  readonly bitmap_size?: string;
  readonly ret?: string;
  readonly errno?: string;
  readonly unmapped?: string;
  readonly detail?: string;
  readonly pgsizes?: string;
}

export interface RecordedAux {
  readonly seq: number;
  readonly op: string;
  readonly detail?: string;
  readonly dev?: string;
  readonly iommu_enabled?: number;
  /** How many lines alike, back to back, this stands for; `last` is the last of them. */
  readonly count?: number;
  readonly last?: string;
}

/** A call to map or unmap, whichever container it was made on. */
export const isMap = ({ call }: RecordedIoctl): boolean => /(?:^|_)MAP/.test(call);
export const isUnmap = ({ call }: RecordedIoctl): boolean => /UNMAP/.test(call);

/** Numbers named in a line of the log: `iova 0x1000 mask 0xfff`, `domain=2 endpoint=32`. */
export function number(detail: string, name: string): bigint | undefined {
  const found = new RegExp(`\\b${name}[ =](0x[0-9a-f]+|\\d+)`).exec(detail)?.[1];
  return found === undefined ? undefined : BigInt(found);
}
