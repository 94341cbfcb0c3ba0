import { testRule } from './rule-tester.ts';

const iommufd = { '/vm/vfio/0/backend': 'iommufd' };
const effect = 'start-failure' as const;

testRule('vfio-iommufd-kernel', {
  fires: [
    { name: 'Linux 6.1', given: { ...iommufd, '/source/kernel': '6.1' }, effect, says: null },
    { name: 'configured away', given: { ...iommufd, '/source/iommufd': false }, effect, says: null },
  ],
  clear: [
    { name: 'Linux 6.2', given: { ...iommufd, '/source/kernel': '6.2' } },
    { name: 'backported', given: { ...iommufd, '/source/kernel': '5.14', '/source/iommufd': true } },
    { name: 'a VFIO container', given: { '/source/iommufd': false } },
    { name: 'kernel unknown: taken to have it', given: { ...iommufd, '/source/kernel': undefined } },
  ],
  unknown: 'a kernel that is not given is taken to offer what the VM uses',
});
