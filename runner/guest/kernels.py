"""The kernels of a guest: which drivers each has, and what its initramfs holds. Reads through the appliance."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Collection
from pathlib import Path

from runner.guest.appliance import Appliance
from runner.guest.facts import Kernel
from runner.guest.families.drivers import DRIVERS, LISTERS
from runner.guest.initramfs import read_names
from runner.guest.refusals import ConversionFailed

# How Debian (and dracut there), Red Hat's dracut, and SUSE name the initramfs of a version. A rescue or kdump image
# has another name, or belongs to a "version" without modules.
_NAMES = ("/boot/initrd.img-{}", "/boot/initramfs-{}.img", "/boot/initrd-{}")
_IMAGE_BYTES_MOST = 2 * 1024**3  # with all modules and firmware it has 200 MiB
_LISTING_SECONDS = 600.0  # an initramfs with all modules, unpacked by an emulated CPU: a minute
_ANY_DRIVER = "|".join(name.replace("_", "[_-]") for name in DRIVERS)
_MODULE = rf"/({_ANY_DRIVER})[.]ko([.](gz|xz|zst))?(:|$)"


def kernels(appliance: Appliance) -> tuple[Kernel, ...]:
    """Every kernel in /boot that has its modules; none is marked as the default one yet."""
    found = []
    for image in appliance.names("/boot"):
        version = image.removeprefix("vmlinuz-")
        modules = f"/lib/modules/{version}"
        if version == image or appliance.size(f"{modules}/modules.dep") is None:
            continue  # no kernel, one that was removed but for its file in /boot, or a rescue image
        loadable, builtin = (
            tuple(sorted({driver(line) for line in appliance.lines(f"{modules}/{name}", _MODULE)}))
            for name in ("modules.dep", "modules.builtin")
        )
        initramfs = next((path for name in _NAMES if appliance.size(path := name.format(version))), "")
        size = appliance.size(initramfs) or 0 if initramfs else 0
        packed = packed_drivers(appliance, initramfs, version) if size and loadable else ()
        configs = (
            f"/boot/config-{version}",
            f"{modules}/config",
        )  # the latter since RHEL 8
        zstd = any(appliance.lines(path, "^CONFIG_RD_ZSTD=y") for path in configs)
        found.append(Kernel(version, loadable, builtin, initramfs, packed, size, reads_zstd=zstd))
    return tuple(found)


def packed_drivers(appliance: Appliance, initramfs: str, version: str) -> tuple[str, ...]:
    """Which of the asked drivers an initramfs holds for a kernel, none where nothing can list it."""
    own = re.compile(rf"lib/modules/{re.escape(version)}/.*/({_ANY_DRIVER})[.]ko(?:[.]\w+)?\Z")
    listed = [own.search(name) for name in _members(appliance, initramfs)]
    names = {match[1].replace("-", "_") for match in listed if match}
    return tuple(name for name in DRIVERS if name in names)


def _members(appliance: Appliance, initramfs: str) -> Collection[str]:
    """What an initramfs holds, from a copy of it; where that cannot be read, what the guest's own lister prints."""
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch, "initramfs")
        appliance.download(initramfs, copy, _IMAGE_BYTES_MOST)
        names = read_names(copy)
    if names is not None:
        return names
    lister = next((path for path in LISTERS if appliance.exists(path)), None)
    if lister is None:
        return ()
    try:
        told = appliance.run([lister, initramfs], seconds=_LISTING_SECONDS)
    except ConversionFailed:
        return ()  # no archive, or in a compression that the guest cannot read: it will be built anew
    return [line.rstrip() for line in told.splitlines()]


def driver(line: str) -> str:
    """`kernel/drivers/block/xen-blkfront.ko.xz: ...` as `xen_blkfront`."""
    return line.partition(":")[0].rpartition("/")[2].partition(".")[0].replace("-", "_")
