import * as z from 'zod';
import { hexAddress, host, mapping, name, size, vm } from './schema.ts';

/** The request to simulate what QEMU and the kernel do when a guest acts; types and JSON Schema as in schema.ts. */

const device = name.optional().describe('Id of the device whose group acts. Default: the first.');
const mappings = z.array(mapping).max(100_000);
const domain = z.enum(['dma', 'identity', 'blocking']);
const range = { iova: hexAddress, size: hexAddress };

const event = z
  .discriminatedUnion('type', [
    z.strictObject({ type: z.literal('map'), device, mappings }),
    z.strictObject({ type: z.literal('unmap'), device, ...range }),
    z.strictObject({ type: z.literal('switch'), device, to: domain, mappings: mappings.optional() }),
    z.strictObject({ type: z.literal('attach'), device, to: domain, mappings: mappings.optional() }),
    z.strictObject({ type: z.literal('invalidate-pages'), device, ...range }),
    z.strictObject({
      type: z.literal('invalidate'),
      device,
      scope: z.enum(['iotlb-domain', 'iotlb-global', 'context-device', 'context-domain', 'context-global', 'pasid']),
    }),
    z.strictObject({ type: z.literal('translation'), on: z.boolean() }),
    z.strictObject({ type: z.literal('driver-detach'), device }),
    z.strictObject({ type: z.literal('device-reset'), device }),
    z.strictObject({ type: z.literal('system-reset') }),
    z.strictObject({ type: z.literal('plug'), gpa: hexAddress, size, readOnly: z.boolean().optional() }),
    z.strictObject({ type: z.literal('unplug'), gpa: hexAddress }),
    z.strictObject({ type: z.literal('tracking-start'), by: z.enum(['migration', 'dirty-rate']) }),
    z.strictObject({ type: z.literal('sync') }),
    z.strictObject({ type: z.literal('tracking-stop') }),
  ])
  .meta({
    id: 'GuestEvent',
    title: 'an event such as {"type": "switch", "to": "blocking"}',
    description: 'What the guest, or whoever runs it, does next. Without a device it happens to all.',
  });

export const simulation = z
  .strictObject({
    vm,
    source: host,
    events: z.array(event).max(10_000),
    limit: z.int().min(0).max(100_000).optional().describe('Steps that the answer lists. Default: 1000.'),
  })
  .meta({
    id: 'Simulation',
    description:
      'A machine, what its guest maps, and what happens to it. A device behind a vIOMMU needs a guestDomain.',
  });

export type SimulationRequest = z.infer<typeof simulation>;
export type EventDescriptor = SimulationRequest['events'][number];
