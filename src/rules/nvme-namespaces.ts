import { all, is, no, type Truth } from '../descriptor/fact.ts';
import { type OtherHere, otherRule } from './rule.ts';

export const nvmeNamespaces = otherRule({
  id: 'nvme-namespaces',
  title: 'The emulated NVMe controller has several namespaces',
  why: 'QEMU saves the state of one namespace of an NVMe controller and finds out that there are more when it saves: nothing is said before the migration is about to end, which then fails.',
  layer: 'qemu',
  behaviour: 'nvmeMigration',
  effect: 'migration-failure',
  isAbout: (type) => type === 'nvme',
  cases: {
    'by-feature': {
      message: 'only one NVMe namespace is supported for migration',
      // With SR-IOV it is refused before.
      holds: (here) => all(is(here.other.property('sriov_max_vfs', 0), 0), hasSeveralNamespaces(here)),
    },
  },
  liftedBy: ['device-feature-off', 'detach-device'],
  source: { confidence: 'inferred', read: ['nvme_ctrl_pre_save, 9d378cab537d, 11.1', '11.1.3 binary'] },
});

/** A controller has the namespace of its own drive, and those that are plugged into its bus. */
function hasSeveralNamespaces({ other, others }: OtherHere): Truth {
  const plugged = others.filter(({ type, property }) => type === 'nvme-ns' && property('bus', '').value === other.id);
  const own = other.property('drive', '').value === '' ? 0 : 1;
  return own + plugged.length > 1 ? all(other.isThere, ...plugged.map(({ isThere }) => isThere)) : no;
}
