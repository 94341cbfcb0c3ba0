import path from 'node:path';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification, type Vite } from 'vitest/node';
import unit from '../../vitest.config.ts';

/** Runs the test that is called as the mutated file first: it is the likeliest to kill, and the first kill ends a run. */
class OwnTestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const mutated = (this.ctx.config.related ?? []).map((file) => path.basename(file, '.ts'));
    const isOwn = ({ moduleId }: TestSpecification): boolean => mutated.includes(path.basename(moduleId, '.test.ts'));
    return files.toSorted((a, b) => Number(isOwn(b)) - Number(isOwn(a)));
  }
}

/** Stryker names the file of each test that is to run, thousands of times the same, and vitest compares each with each. */
const eachFileOnce: Vite.Plugin = {
  name: 'each-file-once',
  configureVitest({ vitest }) {
    const start = vitest.start.bind(vitest);
    vitest.start = (files) => start([...new Set(files)]);
  },
};

/** A property is tried a tenth as often, and what fails it, as most mutants do, is not made smaller: all would take their time. */
const shorterProperties: Vite.Plugin = {
  name: 'shorter-properties',
  enforce: 'pre',
  transform(code, id) {
    if (!id.endsWith('.test.ts')) return undefined;
    return code
      .replace("import fc from 'fast-check';", '$& fc.configureGlobal({ endOnFailure: true, numRuns: 10 });')
      .replaceAll(/\bnumRuns: (\d+)0\b/g, 'numRuns: $1');
  },
};

/** The unit tests of `MUTATION_TESTS`, loaded once a mutant, not once a test file, which would take ten times as long. */
export default defineConfig((env) => {
  const { test, ...rest } = unit(env);
  const include = [`test/${process.env['MUTATION_TESTS']}.test.ts`];
  return {
    ...rest,
    plugins: [eachFileOnce, shorterProperties],
    test: { ...test, include, isolate: false, sequence: { sequencer: OwnTestFirst } },
  };
});
