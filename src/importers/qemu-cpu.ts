import type { VmDescriptor } from '../descriptor/schema.ts';
import type { Argument } from './qemu-command.ts';
import type { CommandLine } from './qemu-command-line.ts';
import { given } from './imported.ts';
import { choiceOf, integerOf, nameOf, ON_OFF_AUTO, type Options, type OptionValue, switchOf } from './qemu-options.ts';

/** What decides of a virtual CPU whether it migrates, and where its memory lies. */
export function cpuOf(line: CommandLine, accel: VmDescriptor['accel']): VmDescriptor['cpu'] {
  const { all, board, remarks } = line;
  if (board === 'virt') return undefined;
  const at = all('cpu').at(-1);
  const { model, options } = at ? featuresOf(at) : { model: undefined, options: undefined };
  const physBits = integerOf(options, 'phys-bits', [0, 64], remarks);
  const cpu = given({
    vendor:
      nameOf(options, 'vendor', remarks) ?? (accel === 'tcg' && board !== 'unknown' ? vendorOf(model) : undefined),
    physBits: physBits === 0 ? undefined : physBits,
    invtsc: switchOf(options, 'invtsc', remarks) ?? exposesInvtsc(model, options, accel, line),
    tscFrequency: frequencyOf(options, line),
    hvPassthrough: switchOf(options, 'hv-passthrough', remarks),
    hvNoNonarchCoresharing: choiceOf(options, 'hv-no-nonarch-coresharing', ON_OFF_AUTO, remarks),
  });
  return Object.keys(cpu).length > 0 ? cpu : undefined;
}

/** "host,migratable=off,+invtsc": what begins with + or − counts more than name=value, − the most. */
function featuresOf(at: Argument): { model: string; options: Options } {
  const [model = '', ...features] = at.text.split(',');
  const values = new Map<string, OptionValue>();
  const signed = (sign: string, value: string): [string, string][] =>
    features.filter((feature) => feature.startsWith(sign)).map((feature) => [dashed(feature.slice(1)), value]);
  for (const feature of features) {
    const [name = '', ...value] = feature.split('=');
    if (!/^[+-]/.test(name)) values.set(dashed(name), value.length > 0 ? value.join('=') : 'on');
  }
  for (const [name, value] of [...signed('+', 'on'), ...signed('-', 'off')]) values.set(name, value);
  return { model, options: { at, values } };
}

const dashed = (name: string): string => name.replaceAll('_', '-');

/** KVM's "host" and "max" have all that the processor has, but for what cannot migrate unless `migratable=off`. */
function exposesInvtsc(
  model: string | undefined,
  options: Options | undefined,
  accel: VmDescriptor['accel'],
  { remarks }: CommandLine,
): true | undefined {
  const hasAll = model === 'host' || (model === 'max' && accel === 'kvm');
  return hasAll && switchOf(options, 'migratable', remarks) === false ? true : undefined;
}

/** `tsc-frequency` in Hz, or `tsc-freq` with a decimal unit. */
function frequencyOf(options: Options | undefined, { remarks }: CommandLine): number | undefined {
  const hertz = integerOf(options, 'tsc-frequency', [0, Number.MAX_SAFE_INTEGER], remarks);
  const text = options?.values.get('tsc-freq');
  if (hertz !== undefined || options === undefined || text === undefined) return hertz;
  const { digits, letter = '' } =
    /^(?<digits>\d{1,15}(?:\.\d{1,9})?)(?<letter>[kmg])?$/i.exec(String(text))?.groups ?? {};
  const frequency =
    digits === undefined ? Number.NaN : Math.trunc(Number(digits) * 1000 ** ' kmg'.indexOf(letter.toLowerCase()));
  return Number.isSafeInteger(frequency)
    ? frequency
    : remarks.fault(options.at, 'tsc-freq is not a frequency such as 2.5G');
}

/**
 * The vendor of a model that TCG emulates; KVM gives a guest the host's. Without `-cpu` a PC has a qemu64, which is
 * AMD's, as is TCG's "max".
 */
const vendorOf = (model = 'qemu64'): string | undefined =>
  VENDORS.find(({ models }) => models.some((start) => model.startsWith(start)))?.vendor;

const VENDORS = [
  { vendor: 'AuthenticAMD', models: ['qemu64', 'max', 'phenom', 'athlon', 'Opteron_G', 'EPYC'] },
  {
    vendor: 'GenuineIntel',
    models: (
      'qemu32 kvm32 kvm64 486 pentium n270 coreduo core2duo Conroe Penryn Nehalem Westmere SandyBridge IvyBridge ' +
      'Haswell Broadwell Skylake Cascadelake Cooperlake Icelake SapphireRapids GraniteRapids SierraForest Snowridge ' +
      'KnightsMill Denverton'
    ).split(' '),
  },
];
