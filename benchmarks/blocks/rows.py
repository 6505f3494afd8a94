"""What is measured, as data. A row more is a line more: work, ours, peer, and the ratio that must hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from blocks import tools
from blocks.made import Disks
from blocks.tools import Call

Before = Literal["zeroes", "first", "as it is"]  # what the target holds before each run


@dataclass(frozen=True)
class Work:
    """One thing to do in one place, by several tools in turn."""

    source: Callable[[Disks], Path]
    calls: dict[str, Call]
    place: Literal["tmpfs", "loop"] = "tmpfs"
    before: Before = "zeroes"
    holds: Callable[[Disks], Path] | None = None  # what the target must hold after; the source itself if None


@dataclass(frozen=True)
class Row:
    """Ours against a peer in one work; `least` is what the ratio must be, None where it is only told."""

    work: str
    ours: str
    peer: str
    least: float | None
    of: Literal["seconds", "bytes read"] = "seconds"


_FULL: dict[str, Call] = {
    "ours": tools.ours(),
    "ours, verify written": tools.ours("--verify", "written"),
    "qemu-img convert": tools.qemu_img(),
    "nbdcopy": tools.nbdcopy,
}

_VMDK: dict[str, Call] = {
    "ours": tools.ours(format="vmdk"),
    "qemu-img convert": tools.qemu_img("vmdk"),
    "ours, reading only": tools.ours_reading,
    "libvmdk, reading only": tools.libvmdk,
}

WORKS: dict[str, Work] = {
    "raw, loop O_DIRECT": Work(Disks.raw, _FULL, "loop"),
    "raw, tmpfs": Work(Disks.raw, {**_FULL, "cp": tools.cp, "rsync": tools.rsync}),
    "streamOptimized VMDK": Work(
        lambda disks: disks.vmdk("streamOptimized"),
        _VMDK,
        holds=Disks.text,
    ),
    "monolithicSparse VMDK": Work(
        lambda disks: disks.vmdk("monolithicSparse"),
        _VMDK,
        holds=Disks.text,
    ),
    "OVA": Work(
        Disks.ova,
        {"ours": tools.ours(format="ova"), "tar x, qemu-img convert": tools.untar_then_qemu_img},
        holds=Disks.text,
    ),
    "1 % changed": Work(
        Disks.changed,
        {"ours": tools.ours_since(), "ours, change list": tools.ours_since(listed=True), "rsync": tools.rsync},
        before="first",
    ),
    "nothing changed": Work(Disks.raw, {"ours": tools.ours_since(), "cat": tools.cat}, before="as it is"),
    "16 TiB sparse, 1 GiB data": Work(
        Disks.sparse, {"ours": tools.ours(), "qemu-img convert": tools.qemu_img()}, before="as it is"
    ),
}

ROWS = (
    Row("raw, loop O_DIRECT", "ours", "qemu-img convert", 1.3),
    Row("raw, tmpfs", "ours", "qemu-img convert", 1.0),
    Row("raw, loop O_DIRECT", "ours", "nbdcopy", 1.2),
    Row("raw, tmpfs", "ours", "nbdcopy", 1.2),
    Row("raw, loop O_DIRECT", "ours, verify written", "qemu-img convert", 0.45),
    Row("raw, tmpfs", "ours, verify written", "qemu-img convert", 0.45),
    Row("raw, tmpfs", "ours", "cp", None),
    Row("raw, tmpfs", "ours", "rsync", None),
    Row("streamOptimized VMDK", "ours", "qemu-img convert", 2.5),
    Row("streamOptimized VMDK", "ours", "libvmdk, reading only", None),
    Row("streamOptimized VMDK", "ours, reading only", "libvmdk, reading only", 2),
    Row("OVA", "ours", "tar x, qemu-img convert", 3),
    Row("monolithicSparse VMDK", "ours", "qemu-img convert", 1.2),
    Row("monolithicSparse VMDK", "ours", "libvmdk, reading only", None),
    Row("monolithicSparse VMDK", "ours, reading only", "libvmdk, reading only", 2),
    Row("1 % changed", "ours", "rsync", 4),
    Row("nothing changed", "ours", "cat", 0.7),
    Row("1 % changed", "ours, change list", "the source's bytes", 1 / 0.011, "bytes read"),
    Row("16 TiB sparse, 1 GiB data", "ours", "qemu-img convert", 1),
)
