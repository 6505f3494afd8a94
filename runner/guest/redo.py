"""Commit: an overlay's clusters go down to the device as a redo log. Doing it twice, or half and again, is the same."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.guest.overlay import InjectedCluster, digest
from runner.guest.qcow2 import Qcow2
from runner.guest.refusals import OverlayDamaged, WriteNotKept


@dataclass(frozen=True)
class InjectedDisk:
    """What injection changes on one disk. `size` in bytes is that of the device the overlay was made for."""

    id: str
    overlay: Path
    size: int
    clusters: tuple[InjectedCluster, ...]


def commit(disks: Sequence[InjectedDisk], devices: Mapping[str, Path]) -> None:
    """Write each disk's injected clusters to its device (by disk id), flush, and read them back.

    All overlays are checked against their digests before the first byte is written. Raises `OverlayDamaged` then, and
    `WriteNotKept` when a device does not hold what was written. May be run again after a crash at any point.
    """
    for disk in disks:
        _check(disk)
    for disk in disks:
        _write(disk, devices[disk.id])
    for disk in disks:
        _verify(disk, devices[disk.id])


def _check(disk: InjectedDisk) -> None:
    if not disk.overlay.is_file():
        raise OverlayDamaged(str(disk.overlay), "it is gone")
    with Qcow2(disk.overlay, disk.size) as overlay:
        found = tuple(InjectedCluster(c.offset, c.length, digest(overlay.content(c))) for c in overlay.clusters())
    if found != disk.clusters:
        raise OverlayDamaged(str(disk.overlay), "its clusters are not those that the manifest lists")


def _write(disk: InjectedDisk, device: Path) -> None:
    # No O_EXCL: it says "not mounted" for devices only, and the caller already holds the device's place in the run.
    fd = os.open(device, os.O_WRONLY | os.O_CLOEXEC)
    try:
        with Qcow2(disk.overlay, disk.size) as overlay:
            for cluster in overlay.clusters():
                _write_at(fd, overlay.content(cluster), cluster.offset)
        os.fsync(fd)
    finally:
        os.close(fd)


def _write_at(fd: int, content: bytes, offset: int) -> None:
    while content:
        written = os.pwrite(fd, content, offset)
        content, offset = content[written:], offset + written


def _verify(disk: InjectedDisk, device: Path) -> None:
    fd = os.open(device, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)  # read the device, not the cache of what was written
        for cluster in disk.clusters:
            if digest(os.pread(fd, cluster.length, cluster.offset)) != cluster.digest_hex:
                raise WriteNotKept(str(device), cluster.offset)
    finally:
        os.close(fd)
