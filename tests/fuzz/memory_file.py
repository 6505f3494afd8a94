"""A ByteFile in memory that holds readers to their bounds: what they may ask for, and how much of it."""

from __future__ import annotations

from collections.abc import Iterator

from runner.blocks.bytefile import ByteFile
from runner.blocks.errors import FileMissing, ShortRead
from runner.blocks.extent import Extent
from runner.blocks.fingerprint import Fingerprint

_MOST = 16 * 1024 * 1024  # bytes in one read: the longest that a reader of ours has cause for
_READS = 20_000


class OutOfBounds(AssertionError):
    """A reader asked for what no image can be a reason to ask for."""


class MemoryFile:
    """Bytes, and by name those of the same folder."""

    def __init__(self, path: str, content: bytes, folder: dict[str, bytes] | None = None) -> None:
        self.path = path
        self.size = len(content)
        self._content = memoryview(content)
        self._folder = folder or {}
        self._reads = 0

    def read_into(self, offset: int, buffer: memoryview) -> None:
        self._reads += 1
        if offset < 0 or len(buffer) > _MOST or self._reads > _READS:
            raise OutOfBounds(f"read {self._reads}: {len(buffer)} bytes at {offset} of {self.path}")
        if offset + len(buffer) > self.size:
            raise ShortRead(self.path, offset, len(buffer), max(0, self.size - offset))
        buffer[:] = self._content[offset : offset + len(buffer)]

    def fingerprint(self) -> Fingerprint:
        return Fingerprint(self.size, 1, 1, 1)

    def extents(self, start: int, length: int) -> Iterator[Extent]:
        if start < 0 or start + length > self.size:
            raise OutOfBounds(f"extents of {length} bytes at {start} of {self.path}")
        yield Extent(0, length, "data")

    def beside(self, name: str) -> ByteFile:
        if "/" in name or name in ("", ".", ".."):
            raise OutOfBounds(f"the file {name!r} of another folder")
        if name not in self._folder:
            raise FileMissing(self.path, name)
        return MemoryFile(name, self._folder[name], self._folder)

    def close(self) -> None:
        pass
