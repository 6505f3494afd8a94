"""The drivers of EC2's disks and network interfaces, and which kernels' initramfs gets them. Pure, for every family."""

from __future__ import annotations

from collections.abc import Sequence

from runner.guest.facts import Kernel

DRIVERS = ("nvme", "nvme_core", "ena", "xen_blkfront", "xen_netfront")


def asked(kernel: Kernel) -> tuple[str, ...]:
    """The drivers that this kernel's initramfs must hold: those that it has as modules."""
    return tuple(name for name in DRIVERS if name in kernel.loadable)


def booted(kernels: Sequence[Kernel]) -> tuple[Kernel, ...]:
    """The kernels that are made to boot: the default one first, and the newest other one that has a disk driver."""
    newest = sorted(kernels, key=lambda kernel: kernel.age, reverse=True)
    default = next((kernel for kernel in newest if kernel.default), newest[0] if newest else None)
    able = [k for k in newest if k is not default and {"nvme", "xen_blkfront"} & {*k.loadable, *k.builtin}]
    return (*([default] if default else ()), *able[:1])


def due(kernels: Sequence[Kernel], *, stale: bool) -> tuple[Kernel, ...]:
    """The kernels of `booted` whose initramfs lacks a driver; with `stale` all that have an initramfs or need one.

    A kernel that has all of it built in, or that has no modules, is left alone.
    """
    lacking = [k for k in booted(kernels) if set(asked(k)) - set(k.packed) or (stale and (k.initramfs or asked(k)))]
    return tuple(lacking)
