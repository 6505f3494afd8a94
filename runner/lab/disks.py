"""The bytes behind volumes and snapshots: sparse files."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

GIB = 1 << 30
BLOCK = 512 * 1024  # bytes; the block of the EBS direct calls
_FICLONE = 0x40049409  # linux/fs.h: share the source's extents (XFS, Btrfs)


def make_blank(path: Path, size: int) -> None:
    """Make a file of `size` bytes that holds nothing but a hole."""
    with open(path, "wb") as file:
        file.truncate(size)


def grow(path: Path, size: int) -> None:
    """Grow a file to `size` bytes; a smaller size is left alone."""
    if path.stat().st_size < size:
        os.truncate(path, size)


def data_ranges(descriptor: int) -> Iterator[tuple[int, int]]:
    """The (start, end) byte ranges that are allocated, in order."""
    size, end = os.fstat(descriptor).st_size, 0
    while end < size:
        try:
            start = os.lseek(descriptor, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # nothing but a hole up to the end
                return
            raise
        end = os.lseek(descriptor, start, os.SEEK_HOLE)
        yield start, end


def copy_sparse(source: Path, target: Path, size: int | None = None) -> None:
    """Copy a file with its holes, by sharing extents where the file system can; then grow it to `size` bytes."""
    with open(source, "rb") as reading, open(target, "wb") as writing:
        length = os.fstat(reading.fileno()).st_size
        try:
            fcntl.ioctl(writing.fileno(), _FICLONE, reading.fileno())
        except OSError:
            writing.truncate(length)
            for start, end in data_ranges(reading.fileno()):
                _copy_range(reading.fileno(), writing.fileno(), start, end)
        if size is not None and size > length:
            writing.truncate(size)


def _copy_range(source: int, target: int, start: int, end: int) -> None:
    while start < end:
        data = os.pread(source, min(end - start, 16 * BLOCK), start)
        if not data:
            return
        if data.count(0) != len(data):  # preallocated zeroes stay a hole
            os.pwrite(target, data, start)
        start += len(data)


def is_hole(path: Path) -> bool:
    """Whether nothing of the file is allocated."""
    with open(path, "rb") as file:
        return next(data_ranges(file.fileno()), None) is None


def is_blank(path: Path) -> bool:
    """Whether every byte of the file is zero."""
    with open(path, "rb") as file:
        for start, end in data_ranges(file.fileno()):
            for offset in range(start, end, BLOCK):
                data = os.pread(file.fileno(), min(BLOCK, end - offset), offset)
                if data.count(0) != len(data):
                    return False
    return True


def data_blocks(path: Path) -> list[int]:
    """Indices of the 512 KiB blocks that hold any allocated byte, in order."""
    found: list[int] = []
    with open(path, "rb") as file:
        for start, end in data_ranges(file.fileno()):
            first = start // BLOCK
            if found and first <= found[-1]:
                first = found[-1] + 1
            found.extend(range(first, (end + BLOCK - 1) // BLOCK))
    return found


def read_block(path: Path, index: int) -> bytes:
    """One 512 KiB block, zero-padded at the end of the file."""
    with open(path, "rb") as file:
        return os.pread(file.fileno(), BLOCK, index * BLOCK).ljust(BLOCK, b"\0")


def differing_blocks(first: Path, second: Path) -> list[int]:
    """Indices of the 512 KiB blocks whose bytes differ between two files."""
    candidates = sorted(set(data_blocks(first)) | set(data_blocks(second)))
    with open(first, "rb") as a, open(second, "rb") as b:
        return [
            index
            for index in candidates
            if os.pread(a.fileno(), BLOCK, index * BLOCK).ljust(BLOCK, b"\0")
            != os.pread(b.fileno(), BLOCK, index * BLOCK).ljust(BLOCK, b"\0")
        ]
