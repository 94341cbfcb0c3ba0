"""host-facts-ioctl.py against a kernel that is played: the layouts are those of Linux's uapi headers."""

import contextlib
import ctypes
import errno
import importlib.util
import io
import os
import struct
import unittest
from unittest import mock

spec = importlib.util.spec_from_file_location("host_facts_ioctl", "deploy/recipes/host-facts-ioctl.py")
host_facts = importlib.util.module_from_spec(spec)
spec.loader.exec_module(host_facts)

ROOT = "/root"
DEVICE = "/root/sys/bus/pci/devices/0000:3b:00.1"


def capability(kind, data, following):
    """A capability with its header, which says where the next one begins."""
    return struct.pack("@HHI", kind, 1, following) + data


def type1_info(migration=True, available=65535):
    """VFIO_IOMMU_GET_INFO as Linux answers it: MIGRATION, DMA_AVAIL and IOVA_RANGE in this order."""
    ranges = struct.pack("@II4Q", 2, 0, 0, 0xFEDFFFFF, 0xFEF00000, 0xFFFFFFFFFFFF)
    parts = [(3, struct.pack("@I4x", available)), (1, ranges)]
    if migration:
        parts.insert(0, (2, struct.pack("@IQQ", 0, 0x1000, 0x10000000)))
    info = b""
    for index, (kind, data) in enumerate(parts):
        end = 24 + len(info) + 8 + len(data)
        info += capability(kind, data, 0 if index == len(parts) - 1 else end)
    return struct.pack("@IIQI4x", 24 + len(info), 3, 0xFFFFFFFFFFFFF000, 24) + info


class Kernel:
    """Files are numbers from 100 on; what each ioctl answers can be set."""

    def __init__(self, **answers):
        self.answers = {
            "busy": [],
            "viable": True,
            "migration": 7,
            "logging": True,
            "info": type1_info(),
            "capabilities": 1,
            "extensions": {9: 1, 10: 1},
            **answers,
        }
        self.opened = []
        self.open_files = {}

    def open(self, path, _flags):
        if path in self.answers["busy"]:
            raise OSError(errno.EBUSY, "Device or resource busy", path)
        self.opened.append(path)
        self.open_files[100 + len(self.opened)] = path
        return 100 + len(self.opened)

    def close(self, fd):
        del self.open_files[fd]

    def ioctl(self, fd, request, argument=0):
        path = self.open_files[fd]
        if request == host_facts.VFIO_GROUP_GET_STATUS:
            argument[:] = struct.pack("@II", 8, 1 if self.answers["viable"] else 0)
        elif request == host_facts.VFIO_GROUP_SET_CONTAINER:
            (container,) = struct.unpack("@i", argument)
            assert self.open_files[container] == f"{ROOT}/dev/vfio/vfio"
        elif request == host_facts.VFIO_SET_IOMMU:
            assert argument == 3
        elif request == host_facts.VFIO_IOMMU_GET_INFO:
            (size,) = struct.unpack_from("@I", argument)
            assert size == len(argument) >= len(self.answers["info"])
            argument[: len(self.answers["info"])] = self.answers["info"]
        elif request == host_facts.VFIO_CHECK_EXTENSION:
            return self.answers["extensions"][argument]
        elif request == host_facts.VFIO_GROUP_GET_DEVICE_FD:
            assert argument == b"0000:3b:00.1\0"
            return self.open("device of the group", 0)
        elif request == host_facts.VFIO_DEVICE_BIND_IOMMUFD:
            size, flags, iommu, _ = struct.unpack("@IIiI", argument)
            assert (size, flags, self.open_files[iommu]) == (16, 0, f"{ROOT}/dev/iommu")
            argument[:] = struct.pack("@IIiI", size, flags, iommu, 55)
        elif request == host_facts.VFIO_DEVICE_FEATURE:
            self.feature(argument)
        elif request == host_facts.IOMMU_GET_HW_INFO:
            assert path == f"{ROOT}/dev/iommu"
            self.hw_info(argument)
        else:
            raise AssertionError(request)
        return 0

    def feature(self, argument):
        size, flags = struct.unpack_from("@II", argument)
        assert size == len(argument)
        if flags == 1 << 16 | 1:
            if isinstance(self.answers["migration"], OSError):
                raise self.answers["migration"]
            argument[8:] = struct.pack("@Q", self.answers["migration"])
        else:
            assert flags == 1 << 18 | 6
            if not self.answers["logging"]:
                raise OSError(errno.ENOTTY, "Inappropriate ioctl for device")

    def hw_info(self, argument):
        size, flags, device, length, pointer, *_ = struct.unpack("@IIIIQIIQ", argument)
        assert (size, flags, device, length) == (40, 0, 55, 24)
        if isinstance(self.answers["capabilities"], OSError):
            raise self.answers["capabilities"]
        ctypes.memmove(pointer, struct.pack("@IIQQ", 1, 0, 0, 0), 24)
        argument[:] = struct.pack("@IIIIQIIQ", size, 0, device, length, pointer, 1, 0, self.answers["capabilities"])


def facts(kernel, cdev=True, group=True):
    """The facts that come of `kernel`, and what was said."""
    files = {f"{ROOT}/dev/vfio/devices/vfio3": cdev, f"{ROOT}/dev/vfio/42": group}
    said = io.StringIO()
    with contextlib.ExitStack() as stack:
        for target, name, fake in [
            (os, "open", kernel.open),
            (os, "close", kernel.close),
            (os, "listdir", lambda _: ["vfio3"]),
            (os.path, "isdir", lambda path: path == f"{DEVICE}/vfio-dev"),
            (os.path, "exists", lambda path: files.get(path, False)),
            (os.path, "realpath", lambda _: "/root/sys/kernel/iommu_groups/42"),
            (host_facts.fcntl, "ioctl", kernel.ioctl),
        ]:
            stack.enter_context(mock.patch.object(target, name, fake))
        with contextlib.redirect_stderr(said):
            found = list(host_facts.facts_of(ROOT, DEVICE))
    return found, said.getvalue()


MIGRATES = [
    ("device", "protocol", "v2"),
    ("device", "stopCopy", True),
    ("device", "p2p", True),
    ("device", "preCopy", True),
    ("device", "dmaLogging", True),
]
TYPE1 = [
    ("type1", "maxDirtyBitmapSize", 0x10000000),
    ("type1", "trackingPageSize", 0x1000),
    ("type1", "emulatedByIommufd", False),
    ("type1", "dmaEntryLimit", 65535),
    ("type1", "unmapAll", True),
    ("type1", "updateVaddr", True),
    ("iommu", "addressWidth", 48),
]


class Facts(unittest.TestCase):
    def tearDown(self):
        self.assertEqual(self.kernel.open_files, {}, "everything is closed")

    def check(self, kernel, expected, **files):
        self.kernel = kernel
        found, said = facts(kernel, **files)
        self.assertEqual(found, expected)
        return said

    def test_both_ways(self):
        hardware = [("iommu", "dirtyTracking", True), ("iommu", "errata772415", True)]
        self.assertEqual(self.check(Kernel(), MIGRATES + hardware + TYPE1), "")
        self.assertEqual(self.kernel.opened.count("device of the group"), 0, "the device is opened once")

    def test_group_only(self):
        self.check(Kernel(), TYPE1 + MIGRATES, cdev=False)

    def test_device_without_migration(self):
        none = OSError(errno.ENOTTY, "Inappropriate ioctl for device")
        expected = [("device", "protocol", "none"), ("device", "dmaLogging", False)]
        self.check(Kernel(migration=none, logging=False), TYPE1 + expected, cdev=False)

    def test_flags_one_by_one(self):
        for flags in range(8):
            with self.subTest(flags=flags):
                self.kernel = Kernel(migration=flags)
                found = dict(fact[1:] for fact in facts(self.kernel)[0])
                self.assertEqual([found["stopCopy"], found["p2p"], found["preCopy"]], [bool(flags & bit) for bit in (1, 2, 4)])

    def test_device_that_fails_otherwise(self):
        broken = OSError(errno.EIO, "Input/output error")
        said = self.check(Kernel(migration=broken), TYPE1 + MIGRATES[4:], cdev=False)
        self.assertIn("0000:3b:00.1: migration is left unknown: Input/output error", said)

    def test_device_in_use(self):
        busy = [f"{ROOT}/dev/vfio/devices/vfio3", f"{ROOT}/dev/vfio/42"]
        said = self.check(Kernel(busy=busy), [])
        self.assertEqual(said.count("0000:3b:00.1 is left unknown: a VM uses it"), 2)

    def test_group_that_is_not_viable(self):
        said = self.check(Kernel(viable=False), [], cdev=False)
        self.assertIn("not all devices of IOMMU group 42 are bound to VFIO", said)

    def test_iommu_without_tracking(self):
        expected = [("iommu", "dirtyTracking", False), ("iommu", "errata772415", True)]
        self.check(Kernel(capabilities=0), MIGRATES + expected, group=False)

    def test_iommu_that_tells_nothing(self):
        error = OSError(errno.EOPNOTSUPP, "Operation not supported")
        said = self.check(Kernel(capabilities=error), MIGRATES, group=False)
        self.assertIn("iommu/dirtyTracking is left unknown: Operation not supported", said)

    def test_type1_that_iommufd_plays(self):
        kernel = Kernel(info=type1_info(migration=False, available=0xFFFFFFFF), extensions={9: 1, 10: 0})
        expected = [
            ("type1", "emulatedByIommufd", True),
            ("type1", "unmapAll", True),
            ("type1", "updateVaddr", False),
            ("iommu", "addressWidth", 48),
        ]
        self.check(kernel, expected + MIGRATES, cdev=False)

    def test_capabilities_that_do_not_end(self):
        loop = struct.pack("@IIQI4x", 40, 3, 0x1000, 24) + capability(3, struct.pack("@I4x", 9), 24)
        expected = [
            ("type1", "emulatedByIommufd", False),
            ("type1", "dmaEntryLimit", 9),
            ("type1", "unmapAll", True),
            ("type1", "updateVaddr", True),
        ]
        self.check(Kernel(info=loop), expected + MIGRATES, cdev=False)

    def test_no_file_for_it(self):
        self.assertIn("VFIO has no file for it in /root/dev/vfio", self.check(Kernel(), [], cdev=False, group=False))


if __name__ == "__main__":
    unittest.main()
