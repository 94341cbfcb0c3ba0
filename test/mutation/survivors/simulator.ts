import type { Survivors } from './survivors.ts';

export const simulator: readonly Survivors[] = [
  {
    why: 'It only saves work: what is looked at without it comes to nothing.',
    changes: [
      'simulator/viommu/intel.ts MethodExpression: tree.overlapping(searchEnd, searchEnd).some((run) => lastByte(run) >= start) → tree.overlapping(searchEnd, searchEnd).every(run => lastByte(run) >= start)',
      'simulator/viommu/page-walk.ts ConditionalExpression: index < last && level[index + 1] === undefined → false',
      'simulator/viommu/page-walk.ts ConditionalExpression: start < limit → true',
    ],
  },
  {
    why: 'The types allow for it; whoever gets here has a value.',
    changes: [
      'simulator/container/map-limits.ts OptionalChaining: refusal?.[1] → refusal[1]',
      'simulator/container/map-step.ts ConditionalExpression: obstacle === undefined → false',
      'simulator/container/type1.ts ConditionalExpression: bitmap !== undefined → true',
      'simulator/container/type1.ts ConditionalExpression: bitmap === undefined → false',
      'simulator/container/type1.ts ConditionalExpression: range === undefined → false',
      'simulator/container/type1.ts OptionalChaining: bitmap?.pageSize → bitmap.pageSize',
      'simulator/dirty-tracking.ts ArrayDeclaration: [] → ["Stryker was here"]',
      "simulator/dirty-tracking.ts ConditionalExpression: host.backend !== 'legacy' → false",
      "simulator/dirty-tracking.ts ConditionalExpression: host.backend === 'iommufd' → true",
      'simulator/dirty-tracking.ts ObjectLiteral: { ...step, ioctls: 0 } → {}',
      'simulator/domain-switch.ts ArrayDeclaration: [] → ["Stryker was here"]',
      'simulator/mapping-runs.ts OptionalChaining: wrong?.iova → wrong.iova',
      'simulator/state.ts ArrayDeclaration: [] → ["Stryker was here"]',
      'simulator/viommu/guest-table.ts ArrayDeclaration: [] → ["Stryker was here"]',
      'simulator/viommu/guest-table.ts ConditionalExpression: level >= 0 → true',
      'simulator/viommu/sections.ts ArrayDeclaration: [] → ["Stryker was here"]',
      "simulator/viommu/sections.ts ConditionalExpression: case 'none': return []; → case 'none':",
      'simulator/viommu/sections.ts StringLiteral: \'none\' → ""',
      'simulator/viommu/sections.ts StringLiteral: \'smmuv3\' → ""',
    ],
  },
  {
    why: 'The sides of a level node are as high.',
    changes: ['simulator/iova-tree.ts EqualityOperator: this.#balance(node) > 0 → this.#balance(node) >= 0'],
  },
  {
    why: 'Of what is compared, IOVA and LOW are 0, and LAST is 1.',
    changes: [
      'simulator/iova-tree.ts ArithmeticOperator: 2 * b → 2 / b',
      'simulator/iova-tree.ts ArithmeticOperator: at + LOW → at - LOW',
      'simulator/iova-tree.ts ArithmeticOperator: node * WORDS + 2 * a → node * WORDS - 2 * a',
      'simulator/iova-tree.ts ArithmeticOperator: otherAt + LOW → otherAt - LOW',
    ],
  },
  {
    why: 'Nothing is above the root.',
    changes: ['simulator/iova-tree.ts EqualityOperator: at > 0 → at >= 0'],
  },
  {
    why: 'To multiply by a sign is to divide by it.',
    changes: [
      'simulator/iova-tree.ts ArithmeticOperator: (childBalance - 1 + Math.min(lowered, 0)) * sign → (childBalance - 1 + Math.min(lowered, 0)) / sign',
      'simulator/iova-tree.ts ArithmeticOperator: lowered * sign → lowered / sign',
      'simulator/iova-tree.ts ArithmeticOperator: this.#balance(child) * sign → this.#balance(child) / sign',
      'simulator/iova-tree.ts ArithmeticOperator: this.#balance(node) * sign → this.#balance(node) / sign',
      'simulator/iova-tree.ts ArithmeticOperator: this.#balance(this.#word(childLink)) * (tall === RIGHT ? 1 : -1) → this.#balance(this.#word(childLink)) / (tall === RIGHT ? 1 : -1)',
    ],
  },
  {
    why: 'Only more memory is taken.',
    changes: [
      'simulator/iova-tree.ts ArithmeticOperator: (node * 9) / 8 → node * 9 * 8',
      'simulator/iova-tree.ts ConditionalExpression: node === 0 → true',
    ],
  },
  {
    why: 'Which of two ways is taken, where both come to the same.',
    changes: [
      'simulator/container/iommufd.ts ConditionalExpression: iova === 0n → true',
      'simulator/container/iommufd.ts ConditionalExpression: length >= ADDRESS_MAX → false',
      'simulator/container/iommufd.ts ConditionalExpression: made > 0n → true',
      'simulator/container/iommufd.ts EqualityOperator: length >= ADDRESS_MAX → length > ADDRESS_MAX',
      'simulator/container/iommufd.ts EqualityOperator: made > 0n → made >= 0n',
      'simulator/container/map-limits.ts ArithmeticOperator: iova + size * count - 1n → iova + size * count + 1n',
      'simulator/container/map-limits.ts EqualityOperator: first.iova <= iova → first.iova < iova',
      'simulator/container/tracking-memory.ts EqualityOperator: bytes < power → bytes <= power',
      'simulator/container/type1.ts ArithmeticOperator: iova + size - 1n → iova + size + 1n',
      'simulator/container/type1.ts ConditionalExpression: container.tracking → false',
      'simulator/container/type1.ts ConditionalExpression: found.length === 0 → false',
      'simulator/container/type1.ts ConditionalExpression: setup.kernelMemory !== undefined → true',
      'simulator/container/unmap-step.ts ArithmeticOperator: end - 1n → end + 1n',
      'simulator/container/unmap-step.ts ConditionalExpression: count === 1n → false',
      'simulator/container/unmap-step.ts ConditionalExpression: unmapped.length > 0 → true',
      'simulator/container/unmap-step.ts EqualityOperator: unmapped.length > 0 → unmapped.length >= 0',
      'simulator/dirty-bitmap.ts ConditionalExpression: size < EXACT → false',
      'simulator/dirty-bitmap.ts EqualityOperator: size < EXACT → size <= EXACT',
      'simulator/dirty-tracking.ts ConditionalExpression: count === 1n → false',
      'simulator/dirty-tracking.ts ConditionalExpression: most > 0n → true',
      'simulator/dirty-tracking.ts EqualityOperator: count - at < atOnce → count - at <= atOnce',
      'simulator/dirty-tracking.ts EqualityOperator: most > 0n → most >= 0n',
      "simulator/domain-switch.ts ConditionalExpression: from === to && to !== 'dma' → false",
      'simulator/mapping-runs.ts EqualityOperator: iova < address → iova <= address',
      'simulator/mapping-runs.ts EqualityOperator: run.iova >= address → run.iova > address',
      'simulator/mapping-runs.ts EqualityOperator: start <= run.iova → start < run.iova',
      'simulator/power-of-two.ts ConditionalExpression: ((start | (end + 1n)) & (PAGE - 1n)) !== 0n || end >= ADDRESS_SPACE || addressBits < PAGE_BITS → true',
      'simulator/power-of-two.ts EqualityOperator: addressBits < PAGE_BITS → addressBits <= PAGE_BITS',
      'simulator/power-of-two.ts EqualityOperator: end >= ADDRESS_SPACE → end < ADDRESS_SPACE',
      'simulator/power-of-two.ts EqualityOperator: end >= ADDRESS_SPACE → end > ADDRESS_SPACE',
      'simulator/simulate.ts ArithmeticOperator: (1n << 64n) - 1n → (1n << 64n) + 1n',
      'simulator/simulate.ts ConditionalExpression: notifiersOf(state.machine.viommu).length === 0 → false',
      'simulator/simulate.ts StringLiteral: \'pasid\' → ""',
      'simulator/vfio-sections.ts EqualityOperator: vapicEnd > OPTION_ROMS_LIMIT → vapicEnd >= OPTION_ROMS_LIMIT',
      'simulator/viommu/guest-table.ts ConditionalExpression: (TABLE_SPANS[level] as bigint) <= part.size → true',
      'simulator/viommu/guest-table.ts ConditionalExpression: next < at → true',
      'simulator/viommu/guest-table.ts EqualityOperator: at > start → at >= start',
      'simulator/viommu/guest-table.ts EqualityOperator: next < at → next <= at',
      'simulator/viommu/page-walk.ts EqualityOperator: index < last → index <= last',
      'simulator/viommu/page-walk.ts EqualityOperator: start < limit → start <= limit',
      'simulator/viommu/sync.ts EqualityOperator: address <= entries.iova → address < entries.iova',
      'simulator/viommu/sync.ts EqualityOperator: found.size <= entries.size → found.size < entries.size',
      'simulator/viommu/sync.ts EqualityOperator: from < mapped → from <= mapped',
      'simulator/viommu/sync.ts EqualityOperator: from < next → from <= next',
    ],
  },
  {
    why: 'Of two that are equal either may be taken.',
    changes: [
      'simulator/dirty-tracking.ts EqualityOperator: a.iova < b.iova → a.iova <= b.iova',
      'simulator/mapping-runs.ts EqualityOperator: a.iova < b.iova → a.iova <= b.iova',
      'simulator/run-columns.ts EqualityOperator: (words[a] as bigint) < (words[b] as bigint) → words[a] as bigint <= (words[b] as bigint)',
      'simulator/simulate.ts EqualityOperator: a.gpa < b.gpa → a.gpa <= b.gpa',
      'simulator/uint64.ts EqualityOperator: a < b → a <= b',
      'simulator/uint64.ts EqualityOperator: a > b → a >= b',
      'simulator/viommu/guest-table.ts EqualityOperator: span.iova < first → span.iova <= first',
    ],
  },
  {
    why: 'Nothing that begins at a page begins at 4 GiB less a byte.',
    changes: ['simulator/logging-ranges.ts EqualityOperator: iova >= UINT32_MAX → iova > UINT32_MAX'],
  },
  {
    why: 'What is compared with nothing is taken itself.',
    changes: ['simulator/logging-ranges.ts ObjectLiteral: { min: iova, max: end } → {}'],
  },
  {
    why: 'No range ends beyond the last address.',
    changes: ['simulator/power-of-two.ts ConditionalExpression: end >= ADDRESS_SPACE → false'],
  },
  {
    why: 'Of page tables it is only seen whether there is one, and nothing is written through them.',
    changes: [
      'simulator/container/host.ts ArrayDeclaration: [pageSize] → []',
      "simulator/container/host.ts ConditionalExpression: tracker === 'iommu' → true",
      'simulator/container/host.ts ConditionalExpression: trackingHwpts === 0 → true',
    ],
  },
  {
    why: 'Virtual addresses, which alone it bears on, are never taken away here.',
    changes: ['simulator/container/host.ts BooleanLiteral: !kernel.iommuGroup → kernel.iommuGroup'],
  },
  {
    why: 'Ranges where mappings may lie never touch.',
    changes: [
      'simulator/container/map-limits.ts EqualityOperator: iova < one.iova + one.size → iova <= one.iova + one.size',
    ],
  },
  {
    why: 'An unmap that names nothing asks for no dirty bits, so that nobody asks where they go.',
    changes: ['simulator/address-space.ts ArrowFunction: () => 0n → () => undefined'],
  },
  {
    why: 'Outside its DMA domain a guest has no table.',
    changes: [
      "simulator/address-space.ts ConditionalExpression: domain === 'dma' → true",
      "simulator/viommu/intel.ts ConditionalExpression: state.domain !== 'dma' → false",
    ],
  },
  {
    why: 'Where the IOMMU tracks, all page tables can.',
    changes: [
      'simulator/dirty-tracking.ts MethodExpression: host.ioas.hwpts.filter(({ trackable }) => trackable) → host.ioas.hwpts',
    ],
  },
  {
    why: 'Ranges to log ascend as they are.',
    changes: [
      'simulator/dirty-tracking.ts ArrowFunction: (a, b) => (a.iova < b.iova ? -1 : 1) → () => undefined',
      'simulator/dirty-tracking.ts ConditionalExpression: a.iova < b.iova → false',
      'simulator/dirty-tracking.ts UnaryOperator: -1 → +1',
    ],
  },
  {
    why: 'The words are not compared.',
    changes: [
      'simulator/viommu/guest-table.ts StringLiteral: \'a guest maps whole pages of 4 KiB\' → ""',
      'simulator/viommu/page-walk.ts StringLiteral: `no page table entry is 0x${size.toString(16)} bytes from 0x${iova.toString(16)}` → ``',
    ],
  },
  {
    why: 'No member and one that is undefined are the same to a comparison.',
    changes: [
      'simulator/container/iommufd.ts ConditionalExpression: gpa !== undefined → true',
      'simulator/container/type1.ts ConditionalExpression: gpa !== undefined → true',
      'simulator/viommu/guest-table.ts ConditionalExpression: gpa !== undefined → true',
      'simulator/viommu/notifier.ts ConditionalExpression: gpa === undefined → false',
      'simulator/viommu/notifier.ts ConditionalExpression: translatedAddress === undefined → false',
    ],
  },
  {
    why: 'Only other words are looked for.',
    changes: ['simulator/container/type1.ts StringLiteral: \'writable\' → ""'],
  },
  {
    why: 'A property tells them apart, but not in the tenth of its runs that it has here.',
    changes: [
      'simulator/container/type1.ts ArithmeticOperator: larger(writableEnd - run.iova, 0n) / run.size → larger(writableEnd - run.iova, 0n) * run.size',
    ],
  },
  {
    why: 'Without its flag nobody looks at the bitmap.',
    changes: [
      'simulator/container/unmap-step.ts ConditionalExpression: count === 1n → true',
      'simulator/container/unmap-step.ts ConditionalExpression: plan.bitmapInUnmap && count === 1n → true',
      'simulator/container/unmap-step.ts LogicalOperator: plan.bitmapInUnmap && count === 1n → plan.bitmapInUnmap || count === 1n',
    ],
  },
  {
    why: 'It only saves work: without it the same is found, or made, at more cost.',
    changes: [
      'simulator/dirty-tracking.ts ArithmeticOperator: TYPE1_BITMAP_MAX * 8n → TYPE1_BITMAP_MAX / 8n',
      'simulator/mapping-runs.ts ConditionalExpression: from === 0n && to === run.count → false',
      'simulator/mapping-runs.ts ConditionalExpression: index === first || index === stop - 1 → true',
      'simulator/mapping-runs.ts ConditionalExpression: list.length > 0 → true',
      'simulator/mapping-runs.ts ConditionalExpression: runs instanceof MappingRuns → false',
      'simulator/mapping-runs.ts ConditionalExpression: runs.#length > 0 → true',
      'simulator/mapping-runs.ts EqualityOperator: list.length > 0 → list.length >= 0',
      'simulator/mapping-runs.ts EqualityOperator: runs.#length > 0 → runs.#length >= 0',
      'simulator/run-columns.ts ArithmeticOperator: digit(keys, 0, shift) + 1 → digit(keys, 0, shift) - 1',
      'simulator/run-columns.ts ArithmeticOperator: i - period → i + period',
      'simulator/run-columns.ts BlockStatement: { for (let i = period; i < items.length; i++) if (items[i] !== items[i - period]) return false; return true; } → {}',
      'simulator/run-columns.ts BooleanLiteral: true → false',
      'simulator/run-columns.ts ConditionalExpression: !isUniform(located, 1) → true',
      'simulator/run-columns.ts ConditionalExpression: (bits & (PAGE - 1)) !== 0 → true',
      'simulator/run-columns.ts ConditionalExpression: ascend(columns) → false',
      'simulator/run-columns.ts ConditionalExpression: isUniform(new Uint32Array(words.buffer, base * 8, room * 2), 2) → false',
      'simulator/run-columns.ts ConditionalExpression: items[i] !== items[i - period] → true',
      'simulator/run-columns.ts ConditionalExpression: next[digit(keys, 0, shift) + 1] === keys.length → false',
      'simulator/run-columns.ts ConditionalExpression: room < FEW → false',
      'simulator/run-columns.ts ConditionalExpression: room < FEW → true',
      'simulator/run-columns.ts EqualityOperator: i < items.length → i <= items.length',
      'simulator/run-columns.ts EqualityOperator: room < FEW → room <= FEW',
      'simulator/run-columns.ts EqualityOperator: room < FEW → room >= FEW',
      'simulator/run-columns.ts UpdateOperator: i++ → i--',
      'simulator/viommu/intel.ts ConditionalExpression: mailed || run.gpa === 0n → true',
      'simulator/viommu/page-walk.ts ArithmeticOperator: BigInt(lastAbsent - index + 1) * size - 1n → BigInt(lastAbsent - index + 1) * size + 1n',
      'simulator/viommu/page-walk.ts ArithmeticOperator: lastAbsent - index → lastAbsent + index',
      'simulator/viommu/page-walk.ts BlockStatement: { // Most holes are wide and nothing is mapped in them: one search passes over them all. const lastAbsent = lastOfHole(… → {}',
      'simulator/viommu/page-walk.ts ConditionalExpression: entry === undefined → false',
    ],
  },
  {
    why: 'How much room is kept decides only when more is made.',
    changes: [
      'simulator/mapping-runs.ts ConditionalExpression: this.#behind - this.#gap < runs.length → true',
      'simulator/mapping-runs.ts EqualityOperator: this.#behind - this.#gap < runs.length → this.#behind - this.#gap <= runs.length',
      'simulator/mapping-runs.ts MethodExpression: Math.max(SPARE_MIN, this.#length >>> 2) → Math.min(SPARE_MIN, this.#length >>> 2)',
    ],
  },
  {
    why: 'It only saves work: rows are copied onto themselves, or none are.',
    changes: [
      'simulator/mapping-runs.ts ConditionalExpression: to < this.#gap → true',
      'simulator/mapping-runs.ts ConditionalExpression: to > this.#gap → true',
      'simulator/mapping-runs.ts ConditionalExpression: width > 0 && to < this.#gap → true',
      'simulator/mapping-runs.ts ConditionalExpression: width > 0 && to > this.#gap → true',
      'simulator/mapping-runs.ts ConditionalExpression: width > 0 → true',
      'simulator/mapping-runs.ts EqualityOperator: to < this.#gap → to <= this.#gap',
      'simulator/mapping-runs.ts EqualityOperator: to > this.#gap → to >= this.#gap',
      'simulator/mapping-runs.ts EqualityOperator: width > 0 → width >= 0',
      'simulator/mapping-runs.ts LogicalOperator: width > 0 && to < this.#gap → width > 0 || to < this.#gap',
      'simulator/mapping-runs.ts LogicalOperator: width > 0 && to > this.#gap → width > 0 || to > this.#gap',
      'simulator/run-columns.ts ConditionalExpression: from === end → false',
    ],
  },
  {
    why: 'Only runs that begin by the end get here.',
    changes: ['simulator/mapping-runs.ts ConditionalExpression: end < run.iova → false'],
  },
  {
    why: 'While nothing is tracked no dirty bits are asked for.',
    changes: [
      "simulator/memory-sections.ts ConditionalExpression: state.tracking !== 'off' → true",
      'simulator/memory-sections.ts StringLiteral: \'off\' → ""',
    ],
  },
  {
    why: 'Only a machine of the other byte order gets there.',
    changes: ['simulator/run-columns.ts ArrayDeclaration: [1, 0] → []'],
  },
  {
    why: 'What is written behind the end of a typed array is dropped.',
    changes: ['simulator/run-columns.ts EqualityOperator: row < room → row <= room'],
  },
  {
    why: 'The digits of 32 bits begin at 0, 11 and 22.',
    changes: ['simulator/run-columns.ts EqualityOperator: shift < 32 → shift <= 32'],
  },
  {
    why: 'Nobody reads the last of the sums.',
    changes: ['simulator/run-columns.ts EqualityOperator: d < DIGITS → d <= DIGITS'],
  },
  {
    why: 'An entry counts whole where a part of it is walked.',
    changes: ['simulator/simulate.ts ArithmeticOperator: lastByte(run) + 1n → lastByte(run) - 1n'],
  },
  {
    why: 'A leaf of a page table is one piece.',
    changes: ["simulator/simulate.ts ConditionalExpression: machine.viommu.model === 'virtio' → true"],
  },
  {
    why: 'An entry that says what it said leaves the device where it is.',
    changes: [
      "simulator/simulate.ts ConditionalExpression: case 'context-device': yield* switchAddressSpace(state); yield* syncAddressSpace(state); return; → case 'context-device':",
    ],
  },
  {
    why: 'Without a vIOMMU that unmaps there is nobody to tell, and the device stays on system memory.',
    changes: ["simulator/simulate.ts ConditionalExpression: model === 'intel' || model === 'amd' → true"],
  },
  {
    why: 'Nobody reads the IOVA tree of virtio-iommu, and outside its DMA domain a guest has no table.',
    changes: [
      "simulator/state.ts ConditionalExpression: dma && viommu.model !== 'virtio' → true",
      "simulator/state.ts ConditionalExpression: viommu.model !== 'virtio' → true",
      "simulator/state.ts LogicalOperator: dma && viommu.model !== 'virtio' → dma || viommu.model !== 'virtio'",
      'simulator/state.ts StringLiteral: \'virtio\' → ""',
    ],
  },
  {
    why: 'Of what a walk announces, only maps and the unmaps before them are asked for by name.',
    changes: ['simulator/viommu/amd.ts StringLiteral: \'unmap-hole\' → ""'],
  },
  {
    why: 'What takes the place of a leaf stands in the table that would stay.',
    changes: [
      'simulator/viommu/guest-table.ts EqualityOperator: (TABLE_SPANS[level] as bigint) <= part.size → TABLE_SPANS[level] as bigint < part.size',
    ],
  },
  {
    why: 'A table that lies whole in what is cleared goes with it afterwards.',
    changes: [
      'simulator/viommu/guest-table.ts ArithmeticOperator: base + span - 1n → base + span + 1n',
      'simulator/viommu/guest-table.ts ConditionalExpression: base < start || base + span - 1n > end → true',
      'simulator/viommu/guest-table.ts EqualityOperator: base + span - 1n > end → base + span - 1n >= end',
      'simulator/viommu/guest-table.ts EqualityOperator: base < start → base <= start',
    ],
  },
  {
    why: 'Notifiers and mappings are of whole pages.',
    changes: [
      'simulator/viommu/intel.ts EqualityOperator: lastByte(run) >= start → lastByte(run) > start',
      'simulator/viommu/intel.ts EqualityOperator: searchEnd < start → searchEnd <= start',
      'simulator/viommu/notifier.ts EqualityOperator: start > end → start >= end',
    ],
  },
  {
    why: 'The types ask for it: what unmaps whole takes no tracked loop.',
    changes: [
      "simulator/viommu/intel.ts ConditionalExpression: domainUnmap !== 'whole' → true",
      'simulator/viommu/intel.ts StringLiteral: \'whole\' → ""',
    ],
  },
  {
    why: 'A section that begins there is the one that is inside.',
    changes: ['simulator/viommu/notify.ts EqualityOperator: section.gpa > at → section.gpa >= at'],
  },
  {
    why: 'Leaves lie at multiples of their size: none crosses the end of a larger entry, and two of one size are as many apart.',
    changes: ['simulator/viommu/page-walk.ts ConditionalExpression: a.iova === b.iova → true'],
  },
  {
    why: 'The kernel refuses the bitmap that QEMU refuses.',
    changes: ['simulator/container/unmap-step.ts ConditionalExpression: ioctls === 0 → false'],
  },
  {
    why: 'Only intel-iommu gets here, whose width is its own.',
    changes: ["simulator/viommu/intel.ts ConditionalExpression: viommu.model === 'intel' → true"],
  },
];
