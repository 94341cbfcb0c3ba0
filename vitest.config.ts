import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const simulator = fileURLToPath(new URL('src/simulator/index.ts', import.meta.url));

export default defineConfig({
  // The package's own export, from source: tests need no build. `npm run conformance` takes it from the build.
  resolve: { alias: { 'migration-preflight/simulator': simulator } },
  test: { include: ['test/**/*.test.ts'], testTimeout: 60_000 },
});
