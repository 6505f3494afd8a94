"""What a source disk is to the engine, and which reader opens which format."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

from runner.blocks.errors import FormatUnknown
from runner.blocks.extent import Extent
from runner.blocks.fingerprint import Fingerprint
from runner.blocks.raw import RawSource
from runner.blocks.vmdk import VmdkSource


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


_READERS: Mapping[str, Callable[[str], Source]] = {
    "raw": RawSource,
    "vmdk": VmdkSource,
}
FORMATS = tuple(_READERS)


def open_source(location: str, format: str) -> Source:
    """Open a source disk by its stated format (one of `FORMATS`).

    The format is never probed: a raw disk's first sector is the guest's to write, and says qcow2 if the guest likes
    (CVE-2008-2004). Raises `FormatUnknown`, `SourceMissing`, `SourceUnusable`, `SourceEmpty`,
    `ImageRefused`.
    """
    reader = _READERS.get(format)
    if reader is None:
        raise FormatUnknown(format, FORMATS)
    return reader(location)
