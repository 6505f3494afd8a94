"""Pieces of an image's own structures, checked to lie in its file."""

from __future__ import annotations

from runner.blocks.bytefile import ByteFile
from runner.blocks.errors import ImageRefused

DISK_BYTES_MOST = 64 << 40  # 64 TiB, the largest EBS volume (io2 Block Express)


def read_piece(file: ByteFile, offset: int, length: int, field: str) -> bytes:
    """`length` bytes from `offset` on; raises `ImageRefused` naming `field` where the file has not so many."""
    if offset < 0 or length < 0 or offset + length > file.size:
        raise ImageRefused(file.path, field, f"{length} bytes at {offset} do not fit a file of {file.size} bytes")
    data = bytearray(length)
    file.read_into(offset, memoryview(data))
    return bytes(data)


def check_disk_size(file: ByteFile, size: int, field: str) -> int:
    """The size, if it is one of a disk; raises `ImageRefused`."""
    if not 0 < size <= DISK_BYTES_MOST:
        raise ImageRefused(file.path, field, f"{size} bytes; 1 to {DISK_BYTES_MOST} (64 TiB) are allowed")
    return size
