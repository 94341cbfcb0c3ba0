import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const simulator = fileURLToPath(new URL('src/simulator/index.ts', import.meta.url));

/** Tests that need programs of Debian are of `--mode system`: they fail where one is not there. */
export default defineConfig(({ mode }) => ({
  // The package's own export, from source: tests need no build. `npm run conformance` takes it from the build.
  resolve: { alias: { 'migration-preflight/simulator': simulator } },
  test: {
    include: [mode === 'system' ? 'test/system/**/*.test.ts' : 'test/!(system)/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
}));
