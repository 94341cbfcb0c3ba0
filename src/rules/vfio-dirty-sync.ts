import { logRule } from './rule.ts';

export const vfioDirtySync = logRule({
  id: 'vfio-dirty-sync',
  title: 'Dirty pages cannot be read while migration runs',
  why: 'Each pass of a migration asks the device, the IOMMU or type1 which pages are dirty; an error there ends the migration. What a running kernel answers no descriptor tells in advance.',
  layer: 'kernel',
  effect: 'migration-failure',
  wordings: [
    'Failed to allocate dirty tracking bitmap: {strerror}',
    '{device}: Failed to get DMA logging report, iova: {iova}, size: {size}: {strerror}',
    'Failed to get dirty bitmap for iova: {iova} size: {size}: {strerror}',
    'IOMMU_HWPT_GET_DIRTY_BITMAP (iova: {iova} size: {size}) failed: {strerror}',
    'Failed to sync dirty bitmap with RAM discard listener',
    'vfio_iommu_map_dirty_notify({container}, {iova}, {size}) failed - {strerror}',
    'Wrong target AS "{name}", only system memory is allowed',
  ],
  liftedBy: ['unplug-for-migration', 'less-memory'],
  source: { confidence: 'confirmed', read: ['vfio_listener_log_sync, 10.2.2', '11.1.3 binary'] },
});
