"""Raw disk images and block devices as sources."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator

from runner.blocks.diskfile import DiskFile, NotADisk
from runner.blocks.errors import SourceEmpty, SourceMissing, SourceUnusable
from runner.blocks.extent import Extent
from runner.blocks.fingerprint import Fingerprint


def open_disk_file(location: str) -> DiskFile:
    """Open a source's file for reading; raises `SourceMissing`, `SourceUnusable`.

    A regular file is read through the page cache, which may hold it already and reads ahead; a block device is
    read past it, so that errors are real and a volume's bytes do not push out everything else.
    """
    try:
        file = DiskFile(location, writable=False, direct=False)
        if file.is_block:
            file.close()
            file = DiskFile(location, writable=False, direct=True)
    except FileNotFoundError as error:
        raise SourceMissing(location) from error
    except NotADisk as error:
        raise SourceUnusable(location, str(error)) from error
    except OSError as error:
        raise SourceUnusable(location, os.strerror(error.errno or errno.EIO)) from error
    return file


def data_and_holes(file: DiskFile, start: int, length: int) -> Iterator[Extent]:
    """Which bytes of a range of a file are data, as the file system knows it; offsets count from `start`.

    A block device is all data (SEEK_DATA is EINVAL there); so is what a file system without holes holds.
    """
    if file.is_block:
        yield Extent(0, length, "data")
        return
    at, end = start, start + length
    while at < end:
        try:
            data = min(os.lseek(file.fd, at, os.SEEK_DATA), end)
        except OSError as error:
            if error.errno != errno.ENXIO:  # no data from here to the end
                raise
            data = end
        if data > at:
            yield Extent(at - start, data - at, "hole")
        if data == end:
            return
        # A file that shrinks meanwhile ends its data early; the fingerprint tells, here the walk must end.
        hole = min(os.lseek(file.fd, data, os.SEEK_HOLE), end)
        if hole <= data:
            hole = end
        yield Extent(data - start, hole - data, "data")
        at = hole


class RawSource:
    """A raw image or a block device; its holes are those that the file system knows (SEEK_HOLE of lseek(2))."""

    def __init__(self, location: str) -> None:
        self.location = location
        self._file = open_disk_file(location)
        self.size = self._file.size
        if not self.size:
            self.close()
            raise SourceEmpty(location)
        if not self._file.is_block:
            # Doubles the read-ahead window; several threads read far enough apart to look random.
            os.posix_fadvise(self._file.fd, 0, 0, os.POSIX_FADV_SEQUENTIAL)

    def fingerprint(self) -> Fingerprint:
        """The open file's state, and that the path still leads to it: a file put in its place is a change too."""
        opened, named = os.fstat(self._file.fd), os.stat(self.location)
        size = os.lseek(self._file.fd, 0, os.SEEK_END)
        if self._file.is_block:
            return Fingerprint(size, 0, 0, named.st_rdev)
        return Fingerprint(size, opened.st_mtime_ns, named.st_ino, named.st_dev)

    def extents(self) -> Iterator[Extent]:
        """Data and holes; see `data_and_holes`."""
        return data_and_holes(self._file, 0, self.size)

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Fill the buffer from byte `offset` on; raises `OSError`, `ShortRead`."""
        self._file.read_into(offset, buffer)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
