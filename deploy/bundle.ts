import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import * as esbuild from 'esbuild';
import { namedSchemas } from '../src/http/schemas.ts';
import { nameOf, productionPackages } from './sbom.ts';
import { buildValidators } from './validators.ts';

/** What modules that were written for CommonJS expect around them. */
const banner = `const require = process.getBuiltinModule('node:module').createRequire(import.meta.url);
const { filename: __filename, dirname: __dirname } = import.meta;`;

/** Asks Node for its own modules as CommonJS does: `import` reads each of their members, and loads all that is behind them. */
const builtins: esbuild.Plugin = {
  name: 'builtins',
  setup(build) {
    build.onResolve({ filter: /^node:/, namespace: 'file' }, ({ path, kind }) =>
      kind === 'import-statement' ? { path, namespace: 'builtin' } : { path, external: true },
    );
    build.onLoad({ filter: /./, namespace: 'builtin' }, ({ path }) => ({
      contents: `module.exports = require(${JSON.stringify(path)})`,
    }));
  },
};

/** Has the pages of the documentation found where they are copied to. */
const pages: esbuild.Plugin = {
  name: 'pages',
  setup(build) {
    build.onLoad({ filter: /@fastify\/swagger-ui\/(index|lib\/routes)\.js$/ }, ({ path }) => {
      const [, directory = ''] = /(\/swagger-ui(?:\/lib)?)\/\w+\.js$/.exec(path) ?? [];
      return { contents: readFileSync(path, 'utf8').replaceAll('__dirname', `(__dirname + '${directory}')`) };
    });
  },
};

const schemas = namedSchemas();

/** Leaves out what lists files by pattern: of static files, only routes without wildcards ask for it. */
const unused: esbuild.Plugin = {
  name: 'unused',
  setup(build) {
    build.onResolve({ filter: /^glob$/ }, ({ path }) => ({ path, namespace: 'unused' }));
    build.onLoad({ filter: /./, namespace: 'unused' }, () => ({ contents: 'module.exports = {}' }));
  },
};

/**
 * The last step of `npm run build`: the service and all that it depends on as one file, dist/main.js, and what else
 * can be run likewise. The service starts in less than half the time (npm run bench:capacity): Node would find, read and
 * compile a thousand files one by one.
 */
await esbuild.build({
  entryPoints: ['src/main.ts', 'src/replay.ts', 'src/policy-check.ts'],
  outdir: 'dist',
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'esm',
  mainFields: ['module', 'main'],
  banner: { js: banner },
  plugins: [builtins, pages, unused],
  define: {
    BUILT_SCHEMAS: JSON.stringify(JSON.stringify(schemas)),
    BUILT_VALIDATORS: JSON.stringify(gzipSync(JSON.stringify(buildValidators(schemas))).toString('base64')),
  },
  minify: true,
  // For who reads a stack trace: NODE_OPTIONS=--enable-source-maps.
  sourcemap: true,
  legalComments: 'none',
  logLevel: 'warning',
});
cpSync('node_modules/@fastify/swagger-ui/static', 'dist/swagger-ui/static', { recursive: true });

/** What the licenses of what is in the file ask for: their text, with whose it is. */
const notices = [...productionPackages()].map(([path, locked]) => {
  const text = readdirSync(path || '.').find((name) => /^licen[cs]e(\.\w+)?$/i.test(name));
  const head = `${nameOf(path, locked)} ${locked.version}: ${locked.license}`;
  return text ? `${head}\n\n${readFileSync(join(path, text), 'utf8').trim()}` : head;
});
writeFileSync('dist/LICENSES.txt', `${notices.join(`\n\n${'-'.repeat(80)}\n\n`)}\n`);
