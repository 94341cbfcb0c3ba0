import { replayable } from './replay.ts';

/** `npm run conformance -- DIR`: what QEMU's own C and real kernels answered, against the model. */
const FAILURES_SHOWN = 5;

const [directory] = process.argv.slice(2);
if (directory === undefined) {
  console.error('usage: npm run conformance -- DIR');
  process.exit(2);
}
let files = 0;
for (const { file, replay } of replayable(directory)) {
  files++;
  const { passed, failures, skipped } = replay();
  const skips = [...skipped.values()].reduce((sum, count) => sum + count, 0);
  console.log(`${file}: ${passed} passed, ${failures.length} failed, ${skips} skipped`);
  for (const failure of failures.slice(0, FAILURES_SHOWN)) console.log(`  ${failure}`);
  for (const [reason, count] of skipped) console.log(`  ${count} skipped: ${reason}`);
  if (failures.length > 0) process.exitCode = 1;
}
if (files === 0) {
  console.error(`no file below ${directory} is of a kind that can be replayed`);
  process.exitCode = 2;
}
