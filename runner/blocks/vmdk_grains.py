"""Compressed grains of streamOptimized extents: zlib streams, each behind a marker of its own.

Measured on two cores with grains of 64 KiB that shrink to 42 KiB: libdeflate inflates 0.51 GB/s in one thread and 0.95
in two, isal 0.38 and 0.74, zlib 0.25. All let go of the interpreter's lock meanwhile, so processes would win nothing.
What holds the lock is kept short: one read for all grains of a request, and one copy a grain.
"""

from __future__ import annotations

import struct
import threading
from array import array

import deflate

from runner.blocks.bytefile import ByteFile
from runner.blocks.errors import ImageDamaged
from runner.blocks.vmdk_descriptor import SECTOR

_MARKER = struct.Struct("<QI")  # the grain's first sector on the disk, bytes of zlib data that follow
_READ = 2 * 1024 * 1024  # bytes of packed grains that are read at once, if there are as many


class PackedGrains:
    """Inflates grains, each of `grain` bytes on a disk of `size` bytes; used by several threads."""

    def __init__(self, file: ByteFile, grain: int, size: int) -> None:
        self._file = file
        self._grain = grain
        self._size = size
        # Deflate makes data that cannot be compressed longer by under 1 %.
        self._most = _MARKER.size + grain + grain // 8 + 64  # bytes of one packed grain, with its marker
        self._scratch = threading.local()

    def read_into(self, offset: int, buffer: memoryview, places: array[int]) -> None:
        """Fill the buffer from the disk's byte `offset` on; `places` are the sectors of the grains it touches.

        Raises `OSError`, `ShortRead`, and `ImageDamaged` for a grain that is not what it must be.
        """
        first, inside = divmod(offset, self._grain)
        packed: list[tuple[int, int]] = []  # grain, first byte in the file
        for n, place in enumerate(places):
            if place:
                packed.append((first + n, place * SECTOR))
            else:
                start = max(0, n * self._grain - inside)
                end = min((n + 1) * self._grain - inside, len(buffer))
                buffer[start:end] = bytes(end - start)
        at = 0
        while at < len(packed):
            at += self._read_batch(offset, buffer, packed[at:])

    def _read_batch(self, offset: int, buffer: memoryview, packed: list[tuple[int, int]]) -> int:
        """Read as many of these grains as one read gives, and inflate them; gives their number.

        In a stream they lie behind one another in the disk's order; a file of other making costs more reads.
        """
        begin = packed[0][1]
        count = 1
        while count < len(packed) and 0 < packed[count][1] - packed[count - 1][1] <= self._most + SECTOR:
            if packed[count][1] + self._most > begin + max(_READ, self._most):
                break
            count += 1
        data = self._read(begin, min(packed[count - 1][1] + self._most, self._file.size) - begin)
        for n in range(count):
            grain, place = packed[n]
            end = packed[n + 1][1] if n + 1 < count else begin + len(data)
            whole = self._inflate(grain, data[place - begin : end - begin])
            start = grain * self._grain - offset
            if start >= 0 and start + len(whole) <= len(buffer):
                buffer[start : start + len(whole)] = whole
            else:  # the request begins or ends inside this grain
                low, high = max(0, -start), min(len(whole), len(buffer) - start)
                buffer[start + low : start + high] = memoryview(whole)[low:high]
        return count

    def _inflate(self, grain: int, data: memoryview) -> bytearray:
        """The bytes of one grain that the disk has; never inflates more than a grain, whatever the data says."""
        at = grain * self._grain
        wanted = min(self._grain, self._size - at)
        if len(data) < _MARKER.size:
            raise self._damage(at, "its grain has no marker")
        sector, length = _MARKER.unpack_from(data)
        if sector != at // SECTOR:
            raise self._damage(at, f"its grain marker is that of sector {sector}")
        if not 0 < length <= min(len(data), self._most) - _MARKER.size:
            raise self._damage(at, f"its grain claims {length} bytes of compressed data")
        try:
            # A whole stream with its checksum, into memory of a grain's size: what makes more is an error.
            whole = deflate.zlib_decompress(data[_MARKER.size : _MARKER.size + length], self._grain)
        except deflate.DeflateError as error:
            raise self._damage(at, f"its grain is no zlib stream of {self._grain} bytes at most") from error
        if len(whole) < wanted:
            raise self._damage(at, f"its grain inflates to {len(whole)} bytes, not {self._grain}")
        return whole if len(whole) == wanted else whole[:wanted]

    def _read(self, offset: int, length: int) -> memoryview:
        """Into memory that each thread keeps: fresh memory is faulted in page by page."""
        kept: bytearray | None = getattr(self._scratch, "kept", None)
        if kept is None:
            kept = self._scratch.kept = bytearray(max(_READ, self._most))
        data = memoryview(kept)[:length]
        self._file.read_into(offset, data)
        return data

    def _damage(self, at: int, reason: str) -> ImageDamaged:
        return ImageDamaged(self._file.path, at, reason)
