import { OTHER_DEVICES_MAX, type VmDescriptor } from '../descriptor/schema.ts';
import { given } from './imported.ts';
import type { CommandLine } from './qemu-command-line.ts';
import { type OptionValue, textOf } from './qemu-options.ts';
import type { PluggedDevice } from './qemu-plugging.ts';

type OtherDevice = NonNullable<VmDescriptor['otherDevices']>[number];

/** Characters that the devices may take together: several may name one backend. */
const CHARACTERS_MAX = 4 << 20;

/** Devices as they are: rules know which of them matter. */
export function otherDevices(devices: readonly PluggedDevice[], line: CommandLine): OtherDevice[] {
  const { remarks } = line;
  const others: OtherDevice[] = [];
  let characters = 0;
  for (const { device, path } of devices) {
    if (others.length === OTHER_DEVICES_MAX || characters > CHARACTERS_MAX) {
      remarks.fault(device.at, `more than ${OTHER_DEVICES_MAX} other devices, or too many properties of them`);
      break;
    }
    const { type, id, position } = device;
    if (type === 'nvdimm') remarks.unread('the memory of an nvdimm');
    const properties = propertiesOf(device, line);
    const other = given({ type, id, path, position, properties });
    remarks.origin(`/vm/otherDevices/${others.length}`, device.at);
    characters += JSON.stringify(other).length;
    others.push(other);
  }
  return others;
}

/** Properties that name what another option defines; what that says is listed with them, as "netdev.type". */
const REFERENCES = ['netdev', 'chardev', 'fsdev', 'tpmdev', 'memdev'] as const;

/** The most characters of a property's name and of its value. */
const [PROPERTY_MAX, VALUE_MAX] = [256, 1024];

function propertiesOf(device: PluggedDevice['device'], { backends, objects }: CommandLine): OtherDevice['properties'] {
  const referred = REFERENCES.filter((key) => device.values.has(key)).flatMap((key) => {
    const id = textOf(device, key) ?? '';
    const options = key === 'memdev' ? objects.get(id) : backends.get(id);
    return [...(options?.values ?? [])].map(([name, value]) => [`${key}.${name}`, value] as const);
  });
  const properties = [...device.values, ...referred]
    .filter(([name]) => /^[a-z]/i.test(name) && name.length <= PROPERTY_MAX && !/^driver$|^id$|\.id$/.test(name))
    .map(([name, value]) => [name, name === 'addr' ? value : typed(value)] as const);
  return properties.length > 0 ? Object.fromEntries(properties) : undefined;
}

/** Text as the switch or the number that it is. */
function typed(value: OptionValue): OptionValue {
  if (typeof value !== 'string') return value;
  if (/^(?:on|yes|true)$/.test(value)) return true;
  if (/^(?:off|no|false)$/.test(value)) return false;
  const isNumber = /^(?:0|[1-9]\d{0,15}|0x[\da-f]{1,13})$/i.test(value) && Number.isSafeInteger(Number(value));
  return isNumber ? Number(value) : value.slice(0, VALUE_MAX);
}
