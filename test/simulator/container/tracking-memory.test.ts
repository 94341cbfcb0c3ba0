import { expect, test } from 'vitest';
import { trackingBytes } from '../../../src/simulator/container/tracking-memory.ts';

const K = 1n << 10n;
const M = 1n << 20n;
const G = 1n << 30n;
const T = 1n << 40n;

test.each<[mapping: string, bytes: bigint, takes: bigint]>([
  ['4 KiB', 4n * K, 16n],
  ['256 KiB', 256n * K, 16n],
  ['260 KiB', 260n * K, 32n],
  ['2 MiB', 2n * M, 96n],
  ['4 MiB', 4n * M, 192n],
  ['8 MiB', 8n * M, 512n],
  ['1 GiB', G, 64n * K],
  ['16 GiB', 16n * G, M],
  ['64 GiB', 64n * G, 4n * M],
  ['120 GiB', 120n * G, 4n * M],
  ['128 GiB less 256 KiB', 128n * G - 256n * K, 4n * M],
  ['128 GiB', 128n * G, 6156n * K],
  ['256 GiB', 256n * G, 10260n * K],
  ['512 GiB', 512n * G, 18468n * K],
  ['1 TiB', T, 34884n * K],
  ['2 TiB', 2n * T, 67716n * K],
  ['4 TiB', 4n * T, 133380n * K],
  ['8 TiB less a page', 8n * T - 4n * K, 264708n * K],
])('tracking a mapping of %s takes the memory that it took', (_, bytes, takes) => {
  expect(trackingBytes(bytes, 4n * K)).toBe(takes);
});

test('a spare word doubles what a power of two takes: just below it, half is enough', () => {
  expect(trackingBytes(G, 4n * K)).toBe(2n * trackingBytes(G - 256n * K, 4n * K));
});

test('a bitmap that fills a class of kmalloc with its spare word takes just that', () => {
  expect([2816n, 2820n, 5888n, 5892n].map((size) => trackingBytes(size * K, 4n * K))).toEqual([96n, 128n, 192n, 256n]);
});
