"""Bytes that an image reader reads at any place: a local file, a part of one, or whatever else can do the same.

All offsets and lengths are in bytes.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from typing import Protocol

from runner.blocks.diskfile import DiskFile, NotADisk
from runner.blocks.errors import FileMissing, ImageRefused, ShortRead, SourceMissing, SourceUnusable
from runner.blocks.extent import Extent
from runner.blocks.fingerprint import Fingerprint


class ByteFile(Protocol):
    """An open file to read. `read_into` is called by several threads at once; the rest by one at a time."""

    @property
    def path(self) -> str:
        """Where it is, for messages, the checkpoint and the manifest."""

    @property
    def size(self) -> int:
        """Its bytes when it was opened."""

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Fill the buffer; raises `OSError`, and `ShortRead` where the file ends before."""

    def fingerprint(self) -> Fingerprint:
        """What it is now, looked up anew; of another file in its place never what was before. Raises `OSError`."""

    def extents(self, start: int, length: int) -> Iterator[Extent]:
        """Which bytes of the range are data or holes; offsets count from `start`. All data where nobody knows."""

    def beside(self, name: str) -> ByteFile:
        """Open another file of the same folder; `name` is a plain file name.

        Raises `FileMissing`, and `ImageRefused` if it is there and cannot be used.
        """

    def close(self) -> None:
        """Let go of it; a second call does nothing."""


class LocalFile(DiskFile):
    """A regular file or block device of this machine."""

    def fingerprint(self) -> Fingerprint:
        """The open file's state, and that the path still leads to it: a file put in its place is a change too."""
        opened, named = os.fstat(self.fd), os.stat(self.path)
        size = os.lseek(self.fd, 0, os.SEEK_END)
        if self.is_block:
            return Fingerprint(size, 0, 0, named.st_rdev)
        return Fingerprint(size, opened.st_mtime_ns, named.st_ino, named.st_dev)

    def extents(self, start: int, length: int) -> Iterator[Extent]:
        """As the file system knows it (SEEK_HOLE of lseek(2)).

        A block device is all data (SEEK_DATA is EINVAL there); so is what a file system without holes holds.
        """
        if self.is_block:
            yield Extent(0, length, "data")
            return
        at, end = start, start + length
        while at < end:
            try:
                data = min(os.lseek(self.fd, at, os.SEEK_DATA), end)
            except OSError as error:
                if error.errno != errno.ENXIO:  # no data from here to the end
                    raise
                data = end
            if data > at:
                yield Extent(at - start, data - at, "hole")
            if data == end:
                return
            # A file that shrinks meanwhile ends its data early; the fingerprint tells, here the walk must end.
            hole = min(os.lseek(self.fd, data, os.SEEK_HOLE), end)
            if hole <= data:
                hole = end
            yield Extent(data - start, hole - data, "data")
            at = hole

    def beside(self, name: str) -> LocalFile:
        """A regular file of the same directory: no link, which would lead out of it, and no device."""
        path = os.path.join(os.path.dirname(self.path), name)
        try:
            file = LocalFile(path, writable=False, direct=False, follow=False)
        except FileNotFoundError as error:
            raise FileMissing(self.path, name) from error
        except (OSError, NotADisk) as error:
            code = error.errno if isinstance(error, OSError) else None
            reason = "it is a symbolic link" if code == errno.ELOOP else os.strerror(code) if code else str(error)
            raise ImageRefused(
                self.path, "file", f"{name} cannot be used: {reason}", "Put all files of the machine together."
            ) from error
        if file.is_block:
            file.close()
            raise ImageRefused(self.path, "file", f"{name} is a block device")
        return file


class FilePart:
    """`length` bytes of another file from `start` on, which has them: as a file of its own, named in messages."""

    def __init__(self, file: ByteFile, start: int, length: int, name: str) -> None:
        self.path = f"{file.path}/{name}"
        self.size = length
        self._file = file
        self._start = start

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Never what lies outside the part."""
        if offset < 0 or offset + len(buffer) > self.size:
            raise ShortRead(self.path, offset, len(buffer), max(0, self.size - offset))
        self._file.read_into(self._start + offset, buffer)

    def fingerprint(self) -> Fingerprint:
        """The whole file's."""
        return self._file.fingerprint()

    def extents(self, start: int, length: int) -> Iterator[Extent]:
        """As the whole file knows it."""
        return self._file.extents(self._start + start, length)

    def beside(self, name: str) -> ByteFile:
        """Refused: what stands in a package is one file of its own."""
        raise ImageRefused(self.path, "file", f"it names {name[:80]!r}; a disk in a package is one file")

    def close(self) -> None:
        """Close the whole file."""
        self._file.close()


def open_local(path: str) -> LocalFile:
    """Open a source's file for reading; raises `SourceMissing`, `SourceUnusable`.

    A regular file is read through the page cache, which may hold it already and reads ahead; a block device is
    read past it, so that errors are real and a volume's bytes do not push out everything else.
    """
    try:
        file = LocalFile(path, writable=False, direct=False)
        if file.is_block:
            file.close()
            file = LocalFile(path, writable=False, direct=True)
    except FileNotFoundError as error:
        raise SourceMissing(path) from error
    except NotADisk as error:
        raise SourceUnusable(path, str(error)) from error
    except OSError as error:
        raise SourceUnusable(path, os.strerror(error.errno or errno.EIO)) from error
    if not file.is_block:
        # Doubles the read-ahead window; several threads read far enough apart to look random.
        os.posix_fadvise(file.fd, 0, 0, os.POSIX_FADV_SEQUENTIAL)
    return file
