"""What a source disk is to the engine, and which reader opens which format."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import Protocol, cast

from runner.blocks.bytefile import ByteFile, open_local
from runner.blocks.errors import FormatUnknown, ImageRefused
from runner.blocks.extent import Extent
from runner.blocks.fingerprint import Fingerprint
from schemas.location import is_nbd


class Source(Protocol):
    """A disk to read. `read_into` is called by several threads at once; the rest by one at a time."""

    @property
    def location(self) -> str:
        """Where it is, for messages and the checkpoint."""

    @property
    def size(self) -> int:
        """Bytes of the disk, over 0."""

    def fingerprint(self) -> Fingerprint:
        """What it is now, looked up anew."""

    def extents(self) -> Iterator[Extent]:
        """From byte 0 to `size` in order, without gap or overlap."""

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Fill the buffer from this byte on; raises `OSError`, `ImageDamaged`, `ShortRead` where the disk ends."""

    def close(self) -> None:
        """Let go of it; a second call does nothing."""


# Module and class, loaded when a disk is: start-up counts in a copy, and each brings what the others do not need.
_READERS: Mapping[str, tuple[str, str]] = {
    "raw": ("runner.blocks.raw", "RawSource"),
    "vmdk": ("runner.blocks.vmdk", "VmdkSource"),
    "qcow2": ("runner.blocks.qemu_image", "Qcow2Source"),
    "vhd": ("runner.blocks.qemu_image", "VhdSource"),
    "vhdx": ("runner.blocks.qemu_image", "VhdxSource"),
}
# A package has more disks than one: these readers are told which.
_PACKAGES: Mapping[str, tuple[str, str]] = {
    "ova": ("runner.blocks.package", "open_ova"),
    "ovf": ("runner.blocks.package", "open_ovf"),
}
_NBD = ("runner.blocks.nbd_source", "NbdSource")
FORMATS = (*_READERS, *_PACKAGES)


def open_source(location: str, format: str, member: str = "") -> Source:
    """Open a source disk by its stated format (one of `FORMATS`): a path of this machine, or an NBD server's URI.

    The format is never probed: a raw disk's first sector is the guest's to write, and says qcow2 if the guest likes
    (CVE-2008-2004). `member` is the disk's file name in a package of several. Raises `FormatUnknown`,
    `SourceMissing`, `SourceUnusable`, `SourceEmpty`, `ImageRefused`.
    """
    if format not in FORMATS:
        raise FormatUnknown(format, FORMATS)
    if is_nbd(location):
        if format != "raw":
            raise ImageRefused(location, "format", f"an NBD export is a raw disk, not {format}", "State raw.")
        return cast(Callable[[str], Source], _load(_NBD))(location)
    return read_source(open_local(location), format, member)


def read_source(file: ByteFile, format: str, member: str = "") -> Source:
    """A source disk in an open file, wherever that is; the source owns the file, and so does an error.

    Raises `FormatUnknown`, `SourceEmpty`, `ImageRefused`.
    """
    if format in _PACKAGES:
        return cast(Callable[[ByteFile, str], Source], _load(_PACKAGES[format]))(file, member)
    place = _READERS.get(format)
    if place is None:
        file.close()
        raise FormatUnknown(format, FORMATS)
    if member:
        file.close()
        raise ImageRefused(file.path, "member", f"{format} is no package of disks", "Leave the member out.")
    return cast(Callable[[ByteFile], Source], _load(place))(file)


def is_package(format: str) -> bool:
    """Whether images of this format hold several files, and may state their digests."""
    return format in _PACKAGES


def check_stated(file: ByteFile, format: str, member: str = "") -> None:
    """Hold what an image states of its own bytes against them, by reading them whole; the file is closed.

    Packages do, in their manifests; the other formats state nothing. Opening a disk does not do this: it would read
    all of it twice. Raises `PackageDiffers`, `ImageRefused`, `OSError`.
    """
    if not is_package(format):
        file.close()
        return
    check = cast(Callable[[ByteFile, str, str], object], _load(("runner.blocks.package", "check_package")))
    check(file, format, member)


def _load(place: tuple[str, str]) -> object:
    return getattr(import_module(place[0]), place[1])
