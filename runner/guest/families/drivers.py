"""The drivers of EC2's disks and network interfaces, and which kernels' initramfs gets them. Pure, for every family."""

from __future__ import annotations

from collections.abc import Sequence

from runner.guest.facts import Kernel, default_of

DRIVERS = ("nvme", "nvme_core", "ena", "xen_blkfront", "xen_netfront")

# dracut itself, and what dracut 004 of RHEL 6 has its functions in.
DRACUT = ("/usr/bin/dracut", "/usr/sbin/dracut", "/sbin/dracut")
OLD_DRACUT = "/usr/share/dracut/dracut-functions"


def asked(kernel: Kernel) -> tuple[str, ...]:
    """The drivers that this kernel's initramfs must hold: those that it has as modules."""
    return tuple(name for name in DRIVERS if name in kernel.loadable)


def lacking(kernel: Kernel) -> tuple[str, ...]:
    """The drivers that its initramfs must hold and does not."""
    return tuple(name for name in asked(kernel) if name not in kernel.packed)


def booted(kernels: Sequence[Kernel]) -> tuple[Kernel, ...]:
    """The kernels that are made to boot: the default one first, and the newest other one that has a disk driver."""
    default = default_of(kernels)
    newest = sorted(kernels, key=lambda kernel: kernel.age, reverse=True)
    able = [k for k in newest if k is not default and {"nvme", "xen_blkfront"} & {*k.loadable, *k.builtin}]
    return (*([default] if default else ()), *able[:1])


def due(kernels: Sequence[Kernel], *, stale: bool) -> tuple[Kernel, ...]:
    """The kernels of `booted` whose initramfs lacks a driver; with `stale` all that have an initramfs or need one.

    A kernel that has all of it built in, or that has no modules, is left alone.
    """
    return tuple(k for k in booted(kernels) if lacking(k) or (stale and (k.initramfs or asked(k))))
