"""Raw disk images and block devices as sources."""

from __future__ import annotations

from collections.abc import Iterator

from runner.blocks.bytefile import ByteFile
from runner.blocks.errors import SourceEmpty
from runner.blocks.extent import Extent
from runner.blocks.fingerprint import Fingerprint


class RawSource:
    """A raw image or a block device: the file's bytes are the disk's. It owns the file; raises `SourceEmpty`."""

    def __init__(self, file: ByteFile) -> None:
        self.location = file.path
        self.size = file.size
        self._file = file
        if not self.size:
            self.close()
            raise SourceEmpty(self.location)

    def fingerprint(self) -> Fingerprint:
        """The file's."""
        return self._file.fingerprint()

    def extents(self) -> Iterator[Extent]:
        """Data and holes, as the file knows them."""
        return self._file.extents(0, self.size)

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Fill the buffer from byte `offset` on; raises `OSError`, `ShortRead`."""
        self._file.read_into(offset, buffer)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
