import type { Survivors } from './survivors.ts';

export const evaluation: readonly Survivors[] = [];
