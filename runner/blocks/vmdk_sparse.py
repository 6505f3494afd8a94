"""Hosted sparse VMDK extents: monolithicSparse, twoGbMaxExtentSparse and streamOptimized."""

from __future__ import annotations

from array import array
from collections.abc import Iterator

from runner.blocks.bytefile import ByteFile
from runner.blocks.errors import ImageRefused, ShortRead
from runner.blocks.extent import Extent
from runner.blocks.vmdk_descriptor import SECTOR
from runner.blocks.vmdk_grains import PackedGrains
from runner.blocks.vmdk_header import AT_END, HEADER_SIZE, SparseHeader, parse_header
from runner.blocks.vmdk_map import GrainMap

_FOOTER_BACK = 1024  # bytes from the end: footer, then the end-of-stream marker of one sector


class SparseExtent:
    """One sparse extent file. Its map is checked whole when it is opened; grains are read by several threads."""

    def __init__(self, file: ByteFile) -> None:
        self.file = file
        header = _read_header(file)
        self.descriptor_at = (header.descriptor_offset * SECTOR, header.descriptor_sectors * SECTOR)
        self.size = header.capacity * SECTOR
        self._grain = header.grain * SECTOR
        self._map = GrainMap(file, header)
        self._packed = PackedGrains(file, self._grain, self.size) if header.compressed else None

    def extents(self) -> Iterator[Extent]:
        """What the grain tables say."""
        return self._map.extents()

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Fill the buffer; raises `OSError`, `ShortRead`, `ImageDamaged`."""
        end = offset + len(buffer)
        if offset < 0 or end > self.size:
            raise ShortRead(self.file.path, offset, len(buffer), max(0, self.size - offset))
        first, behind = offset // self._grain, -(-end // self._grain)
        places = self._map.places(first, behind - first)
        if self._packed is not None:
            self._packed.read_into(offset, buffer, places)
        else:
            self._copy(offset - first * self._grain, buffer, places)

    def _copy(self, inside: int, buffer: memoryview, places: array[int]) -> None:
        """Plain grains; those that follow one another in the file as well are one read."""
        n = done = 0
        while n < len(places):
            place, count = places[n], 1
            step = self._grain // SECTOR if place else 0
            while n + count < len(places) and places[n + count] == place + count * step:
                count += 1
            length = min((n + count) * self._grain - inside, len(buffer)) - done
            if place:
                start = inside if n == 0 else 0
                self.file.read_into(place * SECTOR + start, buffer[done : done + length])
            else:
                buffer[done : done + length] = bytes(length)
            done += length
            n += count


def _read_header(file: ByteFile) -> SparseHeader:
    """The header that counts: a stream's is the footer, which was written when all was known."""
    header = parse_header(_read(file, 0, min(HEADER_SIZE, file.size)), file.size, file.path)
    if header.directory_offset != AT_END:
        return header
    if file.size < HEADER_SIZE + _FOOTER_BACK:
        raise ImageRefused(file.path, "footer", "the file ends before it")
    footer = parse_header(_read(file, file.size - _FOOTER_BACK, HEADER_SIZE), file.size, file.path)
    same = (footer.capacity, footer.grain, footer.compressed) == (header.capacity, header.grain, header.compressed)
    if not same or footer.directory_offset == AT_END:
        raise ImageRefused(file.path, "footer", "it contradicts the header")
    return footer


def _read(file: ByteFile, offset: int, length: int) -> bytes:
    data = bytearray(length)
    file.read_into(offset, memoryview(data))
    return bytes(data)
