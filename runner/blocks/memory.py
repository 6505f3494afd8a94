"""Disks in memory: for what is small enough, and for tests of everything above."""

from __future__ import annotations

import errno
import os
import random
import zlib
from collections.abc import Iterator
from threading import Lock

from runner.blocks.errors import ShortRead
from runner.blocks.extent import Extent, drawn
from runner.blocks.fingerprint import DeviceIdentity, Fingerprint


class MemorySource:
    """Bytes as a source, with stated extents (default: all data)."""

    def __init__(self, content: bytes, extents: list[Extent] | None = None, location: str = "memory") -> None:
        self.content = bytearray(content)
        self.location = location
        self.size = len(content)
        self._extents = [Extent(0, self.size, "data")] if extents is None else extents

    @classmethod
    def from_picture(cls, picture: str, unit: int, seed: int = 0, trim: int = 0) -> MemorySource:
        """A disk of `unit` bytes a letter, less `trim` at the end: D random bytes, 0 zeroes in data, Z zero, - hole."""
        chance = random.Random(seed)
        content = b"".join(chance.randbytes(unit) if letter == "D" else bytes(unit) for letter in picture)
        size = len(content) - trim
        extents = (Extent(e.offset, min(e.end, size) - e.offset, e.kind) for e in drawn(picture, unit))
        return cls(content[:size], [e for e in extents if e.length > 0])

    def fingerprint(self) -> Fingerprint:
        """The checksum of the bytes stands for the time of their change."""
        return Fingerprint(len(self.content), zlib.crc32(self.content), 0, 0)

    def extents(self) -> Iterator[Extent]:
        """As stated."""
        return iter(self._extents)

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Copy out; raises `ShortRead` behind the end."""
        piece = self.content[offset : offset + len(buffer)]
        buffer[: len(piece)] = piece
        if len(piece) < len(buffer):
            raise ShortRead(self.location, offset, len(buffer), len(piece))

    def close(self) -> None:
        """Nothing to let go of."""


class MemoryDevice:
    """Bytes as a target. Counts what is written (`bytes_written`, `bytes_zeroed`) and how often it is flushed."""

    def __init__(self, size: int, path: str = "memory-device", fill: bytes = b"\0") -> None:
        self.path = path
        self.size = size
        self.content = bytearray(fill * size)
        self.bytes_written = 0
        self.bytes_zeroed = 0
        self.flushes = 0
        self._lock = Lock()

    def identity(self) -> DeviceIdentity:
        """Path and size."""
        return DeviceIdentity(self.path, self.size, 0, 0)

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Copy out; raises `ShortRead` behind the end."""
        piece = self.content[offset : offset + len(buffer)]
        buffer[: len(piece)] = piece
        if len(piece) < len(buffer):
            raise ShortRead(self.path, offset, len(buffer), len(piece))

    def write(self, offset: int, buffer: memoryview) -> None:
        """Copy in; ENOSPC behind the end, as a block device says."""
        self._check(offset, len(buffer))
        with self._lock:
            self.content[offset : offset + len(buffer)] = buffer
            self.bytes_written += len(buffer)

    def write_zeroes(self, offset: int, length: int) -> None:
        """Zero the range; ENOSPC behind the end."""
        self._check(offset, length)
        with self._lock:
            self.content[offset : offset + length] = bytes(length)
            self.bytes_zeroed += length

    def flush(self) -> None:
        """Count."""
        self.flushes += 1

    def close(self) -> None:
        """Nothing to let go of."""

    def _check(self, offset: int, length: int) -> None:
        if offset + length > self.size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
