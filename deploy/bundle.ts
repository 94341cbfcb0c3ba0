import { execFileSync } from 'node:child_process';
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as esbuild from 'esbuild';
import { namedSchemas } from '../src/http/schemas.ts';
import { nameOf, productionPackages } from './sbom.ts';
import { validatorsOf } from './validators.ts';

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

/** Leaves out what lists files by pattern: of static files, only routes without wildcards ask for it. */
const unused: esbuild.Plugin = {
  name: 'unused',
  setup(build) {
    build.onResolve({ filter: /^glob$/ }, ({ path }) => ({ path, namespace: 'unused' }));
    build.onLoad({ filter: /./, namespace: 'unused' }, () => ({ contents: 'module.exports = {}' }));
  },
};

/** Puts what the service would work out when it starts in the place of what says that there is none (src/http/built.ts). */
const built: esbuild.Plugin = {
  name: 'built',
  setup(build) {
    build.onLoad({ filter: /\/src\/http\/built\.ts$/ }, () => {
      const schemas = namedSchemas();
      const made = (allErrors: boolean): string =>
        `() => { const exports = {}; ${validatorsOf(schemas, allErrors)}; return exports; }`;
      const contents = `export const built = {
        schemas: () => JSON.parse(${JSON.stringify(JSON.stringify(schemas))}),
        hasty: ${made(false)},
        thorough: ${made(true)},
      };`;
      return { contents };
    });
  },
};

const options = {
  outdir: 'dist',
  bundle: true,
  platform: 'node',
  target: 'node20',
  mainFields: ['module', 'main'],
  plugins: [builtins, pages, unused, built],
  minify: true,
  // For who reads a stack trace: NODE_OPTIONS=--enable-source-maps.
  sourcemap: true,
  legalComments: 'none',
  logLevel: 'warning',
} satisfies esbuild.BuildOptions;

// What is made below runs the service, which is to be compiled.
rmSync('dist/service.bytecode', { force: true });

/**
 * The last step of `npm run build`: the service and all that it depends on as one file, and what else can be run
 * likewise. Node would find, read and compile a thousand files one by one, and spares itself the compiling, too, by the
 * bytecode that is kept of the service: `npm run bench -- --only startUp`.
 */
await esbuild.build({
  ...options,
  entryPoints: { service: 'src/main.ts' },
  outExtension: { '.js': '.cjs' },
  format: 'cjs',
  define: { 'import.meta.url': 'moduleUrl' },
  banner: { js: 'const moduleUrl = require("node:url").pathToFileURL(__filename).href;' },
});
await esbuild.build({
  ...options,
  entryPoints: { main: 'deploy/launch.ts', replay: 'src/replay.ts', 'policy-check': 'src/policy-check.ts' },
  format: 'esm',
  // What modules that were written for CommonJS expect around them.
  banner: {
    js: `const require = process.getBuiltinModule('node:module').createRequire(import.meta.url);
const { filename: __filename, dirname: __dirname } = import.meta;`,
  },
});
cpSync('node_modules/@fastify/swagger-ui/static', 'dist/swagger-ui/static', { recursive: true });

/** What the licenses of what is in the file ask for: their text, with whose it is. */
const notices = [...productionPackages()].map(([path, locked]) => {
  const text = readdirSync(path || '.').find((name) => /^licen[cs]e(\.\w+)?$/i.test(name));
  const head = `${nameOf(path, locked)} ${locked.version}: ${locked.license}`;
  return text ? `${head}\n\n${readFileSync(join(path, text), 'utf8').trim()}` : head;
});
writeFileSync('dist/LICENSES.txt', `${notices.join(`\n\n${'-'.repeat(80)}\n\n`)}\n`);

execFileSync(process.execPath, ['--import', 'tsx', 'deploy/code-cache.ts'], {
  env: { PORT: '0', LOG_LEVEL: 'warn' },
  stdio: 'inherit',
});
