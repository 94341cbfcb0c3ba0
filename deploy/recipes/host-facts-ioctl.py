#!/usr/bin/env python3
"""What VFIO and iommufd say of a device that no VM uses, for host-facts, which runs this.

    host-facts-ioctl.py ROOT SYSFS_DEVICE

Prints facts, each a line of three fields with tabs between them: object ("device", "iommu" or "type1"), name, JSON value.
What cannot be asked is said on stderr. Opening a device resets it; nothing else is changed, and all is closed at the end.
Numbers and layouts are those of Linux's include/uapi/linux/vfio.h and iommufd.h.
"""

import ctypes
import errno
import fcntl
import json
import os
import struct
import sys
from contextlib import contextmanager


def _io(number):
    """_IO(';', number), which both interfaces use throughout."""
    return ord(";") << 8 | number


VFIO_CHECK_EXTENSION = _io(101)
VFIO_SET_IOMMU = _io(102)
VFIO_GROUP_GET_STATUS = _io(103)
VFIO_GROUP_SET_CONTAINER = _io(104)
VFIO_GROUP_GET_DEVICE_FD = _io(106)
VFIO_IOMMU_GET_INFO = _io(112)
VFIO_DEVICE_FEATURE = _io(117)
VFIO_DEVICE_BIND_IOMMUFD = _io(118)
IOMMU_GET_HW_INFO = _io(0x8A)

TYPE1V2_IOMMU = 3
UNMAP_ALL = 9
UPDATE_VADDR = 10
GROUP_VIABLE = 1
INFO_CAPS = 1 << 1
CAP_IOVA_RANGE = 1
CAP_MIGRATION = 2
CAP_DMA_AVAIL = 3
FEATURE_GET = 1 << 16
FEATURE_PROBE = 1 << 18
FEATURE_MIGRATION = 1
FEATURE_DMA_LOGGING_START = 6
HW_INFO_INTEL_VTD = 1
HW_CAP_DIRTY_TRACKING = 1
VTD_ERRATA_772415 = 1


def say(text):
    print(f"host-facts: {text}", file=sys.stderr)


@contextmanager
def opened(path):
    """A file descriptor of `path`, open for reading and writing."""
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


def feature(device, flags, size=0):
    """The data of a VFIO_DEVICE_FEATURE."""
    request = bytearray(struct.pack("@II", 8 + size, flags) + bytes(size))
    fcntl.ioctl(device, VFIO_DEVICE_FEATURE, request)
    return request[8:]


def device_facts(device, name):
    """What the driver says of migration and of DMA logging. ENOTTY is its word for no."""
    try:
        (flags,) = struct.unpack("@Q", feature(device, FEATURE_GET | FEATURE_MIGRATION, 8))
    except OSError as error:
        if error.errno == errno.ENOTTY:
            yield "device", "protocol", "none"
        else:
            say(f"{name}: migration is left unknown: {error.strerror}")
    else:
        yield "device", "protocol", "v2"
        yield "device", "stopCopy", bool(flags & 1)
        yield "device", "p2p", bool(flags & 2)
        yield "device", "preCopy", bool(flags & 4)
    try:
        feature(device, FEATURE_PROBE | FEATURE_DMA_LOGGING_START)
    except OSError as error:
        if error.errno == errno.ENOTTY:
            yield "device", "dmaLogging", False
        else:
            say(f"{name}: dmaLogging is left unknown: {error.strerror}")
    else:
        yield "device", "dmaLogging", True


def hw_info(iommu, device_id):
    """What the IOMMU behind a device that is bound to /dev/iommu can do."""
    vtd = ctypes.create_string_buffer(24)
    request = bytearray(struct.pack("@IIIIQIIQ", 40, 0, device_id, len(vtd), ctypes.addressof(vtd), 0, 0, 0))
    fcntl.ioctl(iommu, IOMMU_GET_HW_INFO, request)
    *_, kind, _reserved, capabilities = struct.unpack("@IIIIQIIQ", request)
    yield "iommu", "dirtyTracking", bool(capabilities & HW_CAP_DIRTY_TRACKING)
    if kind == HW_INFO_INTEL_VTD:
        (flags,) = struct.unpack_from("@I", vtd)
        yield "iommu", "errata772415", bool(flags & VTD_ERRATA_772415)


def through_cdev(root, cdev, name):
    """Facts by way of the device's own file and iommufd."""
    with opened(f"{root}/dev/iommu") as iommu, opened(f"{root}/dev/vfio/devices/{cdev}") as device:
        request = bytearray(struct.pack("@IIiI", 16, 0, iommu, 0))
        fcntl.ioctl(device, VFIO_DEVICE_BIND_IOMMUFD, request)
        *_, device_id = struct.unpack("@IIiI", request)
        yield from device_facts(device, name)
        try:
            yield from hw_info(iommu, device_id)
        except OSError as error:
            say(f"iommu/dirtyTracking is left unknown: {error.strerror}")


def capabilities_of(info):
    """The capabilities of a VFIO_IOMMU_GET_INFO, by id: the offset of what follows their header."""
    _, flags, _, offset = struct.unpack_from("@IIQI", info)
    found = {}
    while flags & INFO_CAPS and 0 < offset < len(info):
        kind, _, following = struct.unpack_from("@HHI", info, offset)
        found[kind] = offset
        # They follow one another; a chain that goes back would not end.
        if following <= offset:
            break
        offset = following
    return found


def type1_facts(container):
    """What the container's IOMMU backend takes."""
    info = bytearray(struct.pack("@IIQI", 4096, 0, 0, 0).ljust(4096, b"\0"))
    fcntl.ioctl(container, VFIO_IOMMU_GET_INFO, info)
    capabilities = capabilities_of(info)
    available = None
    if CAP_DMA_AVAIL in capabilities:
        (available,) = struct.unpack_from("@I", info, capabilities[CAP_DMA_AVAIL] + 8)
    if CAP_MIGRATION in capabilities:
        _, pages, largest = struct.unpack_from("@IQQ", info, capabilities[CAP_MIGRATION] + 8)
        yield "type1", "maxDirtyBitmapSize", largest
        yield "type1", "trackingPageSize", pages & -pages
    # iommufd's emulation has no migration capability, and no limit on mappings to tell.
    emulated = CAP_MIGRATION not in capabilities and available == 0xFFFFFFFF
    yield "type1", "emulatedByIommufd", emulated
    if available is not None and not emulated:
        yield "type1", "dmaEntryLimit", available
    yield "type1", "unmapAll", fcntl.ioctl(container, VFIO_CHECK_EXTENSION, UNMAP_ALL) > 0
    yield "type1", "updateVaddr", fcntl.ioctl(container, VFIO_CHECK_EXTENSION, UPDATE_VADDR) > 0
    if CAP_IOVA_RANGE in capabilities:
        offset = capabilities[CAP_IOVA_RANGE] + 8
        (count,) = struct.unpack_from("@I", info, offset)
        ends = [struct.unpack_from("@QQ", info, offset + 8 + 16 * index)[1] for index in range(count)]
        if ends:
            yield "iommu", "addressWidth", max(ends).bit_length()


def through_group(root, group, name, with_device):
    """Facts by way of the device's group and a type1 container; of the device itself only if asked."""
    with opened(f"{root}/dev/vfio/{group}") as owner, opened(f"{root}/dev/vfio/vfio") as container:
        status = bytearray(struct.pack("@II", 8, 0))
        fcntl.ioctl(owner, VFIO_GROUP_GET_STATUS, status)
        if not struct.unpack("@II", status)[1] & GROUP_VIABLE:
            say(f"{name} is left unknown: not all devices of IOMMU group {group} are bound to VFIO")
            return
        fcntl.ioctl(owner, VFIO_GROUP_SET_CONTAINER, struct.pack("@i", container))
        fcntl.ioctl(container, VFIO_SET_IOMMU, TYPE1V2_IOMMU)
        yield from type1_facts(container)
        if with_device:
            device = fcntl.ioctl(owner, VFIO_GROUP_GET_DEVICE_FD, bytearray(name.encode() + b"\0"))
            try:
                yield from device_facts(device, name)
            finally:
                os.close(device)


def facts_of(root, directory):
    """All facts of the device that sysfs has at `directory`."""
    name = os.path.basename(directory)
    group = os.path.basename(os.path.realpath(f"{directory}/iommu_group"))
    cdevs = os.listdir(f"{directory}/vfio-dev") if os.path.isdir(f"{directory}/vfio-dev") else []
    ways = []
    if cdevs and os.path.exists(f"{root}/dev/vfio/devices/{cdevs[0]}"):
        ways.append(through_cdev(root, cdevs[0], name))
    if group.isdigit() and os.path.exists(f"{root}/dev/vfio/{group}"):
        ways.append(through_group(root, group, name, with_device=not ways))
    if not ways:
        say(f"{name} is left unknown: VFIO has no file for it in {root}/dev/vfio")
    for way in ways:
        try:
            yield from way
        except OSError as error:
            why = "a VM uses it" if error.errno == errno.EBUSY else error.strerror
            say(f"{name} is left unknown: {why}{f' ({error.filename})' if error.filename else ''}")


def main(root, directory):
    for section, name, value in facts_of(root, directory):
        print(section, name, json.dumps(value), sep="\t")


if __name__ == "__main__":
    main(*sys.argv[1:])
