import type { Dice } from './dice.ts';
import { WORDS } from './words.ts';

/** An element as it is written; text, comments and the like are strings between its children. */
interface Element {
  name: string;
  attributes: (readonly [name: string, value: string])[];
  content: (Element | string)[];
}

/** An XML document as elements, and what stands before and behind them. */
export type Xml = (Element | string)[];

const MARKUP =
  /<!--[^]*?-->|<!\[CDATA\[[^]*?\]\]>|<\?[^]*?\?>|<(?<slash>\/?)(?<name>[^\s/>]+)(?<attributes>[^>]*?)(?<empty>\/?)>|[^<]+/g;

/** The parts of a well-formed document. */
export function xmlOf(text: string): Xml {
  const root: Xml = [];
  const open: Xml[] = [root];
  for (const { 0: whole, groups: { slash, name, attributes = '', empty } = {} } of text.matchAll(MARKUP)) {
    if (slash === '/') {
      open.pop();
    } else if (name === undefined) {
      open.at(-1)?.push(whole);
    } else {
      const pairs = [...attributes.matchAll(/([^\s=]+)\s*=\s*(?:'([^']*)'|"([^"]*)")/g)];
      const element: Element = {
        name,
        attributes: pairs.map(([, key = '', single, double = '']) => [key, single ?? double]),
        content: [],
      };
      open.at(-1)?.push(element);
      if (empty !== '/') open.push(element.content);
    }
  }
  return root;
}

/** The text of `xml`. */
export const textOfXml = (xml: Xml): string =>
  xml.map((part) => (typeof part === 'string' ? part : textOfElement(part))).join('');

function textOfElement({ name, attributes, content }: Element): string {
  const written = attributes.map(([key, value]) => ` ${key}=${value.includes("'") ? `"${value}"` : `'${value}'`}`);
  const start = `<${name}${written.join('')}`;
  return content.length === 0 ? `${start}/>` : `${start}>${textOfXml(content)}</${name}>`;
}

const copyOf = (part: Element | string): Element | string =>
  typeof part === 'string'
    ? part
    : { name: part.name, attributes: [...part.attributes], content: part.content.map(copyOf) };

/** `xml` without sharing any part with it. */
export const copyOfXml = (xml: Xml): Xml => xml.map(copyOf);

const elementsIn = (xml: Xml): Element[] =>
  xml.flatMap((part) => (typeof part === 'string' ? [] : [part, ...elementsIn(part.content)]));

/** Elements that libvirt knows where the corpus has none. */
const PARTS = [
  "<memory model='dimm'><target><size unit='GiB'>4</size><node>0</node></target></memory>",
  "<memory model='virtio-mem'><target><size unit='GiB'>4</size><block unit='MiB'>2</block><requested unit='GiB'>1</requested></target></memory>",
  "<memory model='nvdimm'><source><path>/x</path></source><target><size>1048576</size></target></memory>",
  "<hostdev mode='subsystem' type='mdev' model='vfio-pci'><source><address uuid='83b8f4f2-509f-382f-3c1e-e6bfe0fa1001'/></source></hostdev>",
  "<hostdev mode='subsystem' type='pci'><source><address domain='0' bus='0x3b' slot='0' function='1'/></source><teaming type='transient' persistent='ua-x'/></hostdev>",
  "<interface type='hostdev'><source><address type='pci' domain='0' bus='1' slot='2' function='3'/></source></interface>",
  "<interface type='network'><source network='default'/><model type='virtio'/></interface>",
  "<filesystem type='mount'><driver type='virtiofs'/><source dir='/x'/><target dir='y'/></filesystem>",
  "<controller type='pci' index='9' model='pcie-to-pci-bridge'/>",
  "<controller type='pci' index='4' model='pcie-expander-bus'><target busNr='254'/></controller>",
  "<controller type='usb' index='0' model='piix3-uhci'/>",
  "<iommu model='virtio'/>",
  "<iommu model='smmuv3'><driver accel='on'/></iommu>",
  "<tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm>",
  "<shmem name='x'><model type='ivshmem-plain'/><size unit='M'>4</size></shmem>",
  "<vsock model='virtio'><cid auto='yes'/></vsock>",
  "<rng model='virtio'><backend model='random'>/dev/random</backend></rng>",
  "<memoryBacking><hugepages><page size='1' unit='G'/></hugepages><locked/><source type='memfd'/><access mode='shared'/></memoryBacking>",
  "<maxMemory slots='16' unit='TiB'>16</maxMemory>",
  "<launchSecurity type='sev-snp'><policy>0x30000</policy></launchSecurity>",
  "<qemu:commandline><qemu:arg value='-device'/><qemu:arg value='vfio-pci,host=01:00.0'/></qemu:commandline>",
  "<qemu:override><qemu:device alias='hostdev0'><qemu:frontend><qemu:property name='x-enable-migration' type='string' value='on'/></qemu:frontend></qemu:device></qemu:override>",
  "<cpu><numa><cell id='0' cpus='0-1' memory='1' unit='GiB' memAccess='shared'/></numa><maxphysaddr mode='emulate' bits='42'/></cpu>",
].flatMap((text) => xmlOf(text));

/** Changes one thing in `xml`; parts may come from `other`. */
export function mutateXml(xml: Xml, other: Xml, dice: Dice): void {
  const elements = elementsIn(xml);
  const element = dice.of(elements);
  if (element === undefined) return;
  const { attributes, content } = element;
  const at = dice.below(attributes.length);
  const value = (): string => dice.of(WORDS).replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
  const put = (part: Element | string): unknown => content.splice(dice.placeIn(content), 0, part);
  switch (dice.below(12)) {
    case 0:
    case 1:
      if (attributes.length > 0) attributes[at] = [attributes[at]?.[0] ?? 'a', value()];
      return;
    case 2: {
      const [key, old] = dice.of([['type', ''], ...elements.flatMap((each) => each.attributes)] as const);
      attributes.splice(at, dice.below(2), [key, old]);
      return;
    }
    case 3:
      return void attributes.splice(at, 1);
    case 4:
      return void content.splice(dice.below(content.length), 1);
    case 5:
      return void put(copyOf(dice.of(elements)));
    case 6: {
      const parts = elementsIn(other);
      return void put(copyOf(dice.of(parts.length > 0 ? parts : elements)));
    }
    case 7:
    case 8: {
      // A device is of use among devices only.
      const devices = elements.find(({ name }) => name === 'devices') ?? element;
      return void devices.content.push(copyOf(dice.of(PARTS)));
    }
    case 9:
      return void put(value());
    case 10:
      return void put(decoration(dice));
    default:
      element.name = dice.of([...elements.map(({ name }) => name), 'q:x', '__proto__', 'constructor', 'toString']);
  }
}

const decoration = (dice: Dice): string =>
  dice.of([
    () => '<!-- & < -->',
    () => `<![CDATA[${dice.of(['', '4', '<a>', '&', ']]'])}]]>`,
    () => '<?x y?>',
    () => dice.of(['&#52;', '&#x34;', '&lt;', '&apos;', '&#x10ffff;', '&#x9;', '&#128512;']),
    () => '<a>'.repeat(40) + '</a>'.repeat(40),
    () => `<a xmlns='urn:x' xmlns:b='urn:y' b:c='d'/>`,
    () => '\u00a0\ufeff',
  ])();

/** Changes of text after which it is well-formed no more, or declares what may not be. */
export const BREAKS: readonly ((text: string, dice: Dice) => string)[] = [
  (text, dice) => text.slice(0, dice.below(text.length)),
  (text) => `${text}<x/>`,
  (text) => `${text}x`,
  (text) => `<!DOCTYPE domain [<!ENTITY a "b">]>${text}`,
  (text) => `<!DOCTYPE domain SYSTEM "file:///etc/passwd">${text}`,
  (text, dice) => text.replace(/>/, () => `>${dice.of(BROKEN)}`),
  (text, dice) => text.replace(/<\/\w+>/, (tag) => dice.of([`${tag}${tag}`, '', '</x>', '</ >', '<//>'])),
  (text, dice) =>
    text.replace(/ (\w+)='/, (start, key: string) =>
      dice.of([
        ` ${key}='<`,
        ` ${key}='' ${key}='`,
        ` ${key}=`,
        ` ${key} '`,
        `${start}&`,
        ` =${start}`,
        ` 1${start.trim()}`,
      ]),
    ),
  (text) => text.replace('<domain', '<Domain'),
  (text) => ` <?xml version='1.0'?>${text}`,
];

const BROKEN = [
  '&',
  '&x;',
  '&#0;',
  '&#xd800;',
  '&#x110000;',
  '&#;',
  '<',
  '< a/>',
  ']]>',
  '<!-- -- -->',
  '<!--',
  '<![CDATA[',
  '\u0001',
  '\ufffe',
  '<1/>',
  '<a b/>',
  '<a b=c/>',
  '<?xml version="1.0"?>',
  '<?',
  '<![x[]]>',
  '<!ELEMENT a>',
];
