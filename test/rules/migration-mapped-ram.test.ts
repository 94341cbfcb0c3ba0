import { testRule } from './rule-tester.ts';

const mapped = (parameters?: object) => ({ '/migration': { capabilities: ['mapped-ram'], parameters } });

testRule('migration-mapped-ram', {
  fires: [
    {
      name: 'TLS',
      given: mapped({ tls: true }),
      effect: 'migration-failure',
      says: 'Cannot use TLS with mapped-ram',
    },
    {
      name: 'compression',
      given: mapped({ multifdCompression: 'zstd' }),
      effect: 'migration-failure',
      says: 'Cannot use compression with mapped-ram',
    },
    {
      name: 'of both QEMU names TLS',
      given: mapped({ tls: true, multifdCompression: 'zstd' }),
      effect: 'migration-failure',
      says: 'Cannot use TLS with mapped-ram',
    },
  ],
  clear: [
    { name: 'neither', given: mapped() },
    { name: 'TLS without mapped-ram', given: { '/migration': { parameters: { tls: true } } } },
  ],
  unknown: 'what is not said of a migration is QEMU’s default',
});
