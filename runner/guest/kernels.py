"""The kernels of a guest: which drivers each has, and what its initramfs holds. Reads through the appliance."""

from __future__ import annotations

from runner.guest.appliance import Appliance
from runner.guest.facts import Kernel
from runner.guest.families.drivers import DRIVERS
from runner.guest.initramfs import look

# How Debian (and dracut there), Red Hat's dracut, and SUSE name the initramfs of a version. A rescue or kdump image
# has another name, or belongs to a "version" without modules.
_NAMES = ("/boot/initrd.img-{}", "/boot/initramfs-{}.img", "/boot/initrd-{}")
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
        held = look(appliance, initramfs).modules(version) if size and loadable else ()
        packed = tuple(name for name in DRIVERS if name in held)
        configs = (
            f"/boot/config-{version}",
            f"{modules}/config",
        )  # the latter since RHEL 8
        zstd = any(appliance.lines(path, "^CONFIG_RD_ZSTD=y") for path in configs)
        found.append(Kernel(version, loadable, builtin, initramfs, packed, size, reads_zstd=zstd))
    return tuple(found)


def driver(line: str) -> str:
    """`kernel/drivers/block/xen-blkfront.ko.xz: ...` as `xen_blkfront`."""
    return line.partition(":")[0].rpartition("/")[2].partition(".")[0].replace("-", "_")
