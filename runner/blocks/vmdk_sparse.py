"""Hosted sparse VMDK extents: monolithicSparse, twoGbMaxExtentSparse and streamOptimized."""

from __future__ import annotations

import struct
import sys
import zlib
from array import array
from collections.abc import Iterator
from functools import lru_cache
from itertools import groupby

from runner.blocks.bytefile import ByteFile
from runner.blocks.errors import ImageDamaged, ImageRefused, ShortRead
from runner.blocks.extent import Extent, Kind
from runner.blocks.vmdk_descriptor import SECTOR
from runner.blocks.vmdk_header import AT_END, ENTRIES, HEADER_SIZE, parse_header

_GRAIN_MARKER = struct.Struct("<QI")  # the grain's first sector on the disk, bytes of zlib data that follow
_FOOTER_BACK = 1024  # bytes from the end: footer, then the end-of-stream marker of one sector
_TABLES_KEPT = 1024  # 2 KiB each
_ZERO = 1  # a grain table entry that says: zeroes (with the header's flag)


class SparseExtent:
    """One sparse extent file. Its map is checked whole when it is opened; grains are read by several threads."""

    def __init__(self, file: ByteFile) -> None:
        self.file = file
        self._location = file.path
        header = parse_header(self._read(0, min(HEADER_SIZE, file.size)), file.size, self._location)
        self.descriptor_at = (header.descriptor_offset * SECTOR, header.descriptor_sectors * SECTOR)
        if header.directory_offset == AT_END:
            if file.size < HEADER_SIZE + _FOOTER_BACK:
                raise ImageRefused(self._location, "footer", "the file ends before it")
            footer = parse_header(self._read(file.size - _FOOTER_BACK, HEADER_SIZE), file.size, self._location)
            same = (footer.capacity, footer.grain, footer.compressed) == (
                header.capacity,
                header.grain,
                header.compressed,
            )
            if not same or footer.directory_offset == AT_END:
                raise ImageRefused(self._location, "footer", "it contradicts the header")
            header = footer
        self._header = header
        self.size = header.capacity * SECTOR
        self._grain = header.grain * SECTOR
        self._directory = self._entries(header.directory_offset * SECTOR, header.tables)
        self._table = lru_cache(_TABLES_KEPT)(self._load_table)
        self._check_map()

    def extents(self) -> Iterator[Extent]:
        """What the grain tables say; neighbours of one kind in one table are one extent."""
        span = ENTRIES * self._grain
        for number, sector in enumerate(self._directory):
            start = number * span
            if not sector:
                yield Extent(start, min(span, self.size - start), "hole")
                continue
            at = start
            for kind, entries in groupby(self._load_table(number), self._kind):
                end = min(at + sum(1 for _ in entries) * self._grain, self.size)
                if end > at:
                    yield Extent(at, end - at, kind)
                at = end

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Fill the buffer; raises `OSError`, `ShortRead`, `ImageDamaged`."""
        if offset + len(buffer) > self.size:
            raise ShortRead(self._location, offset, len(buffer), max(0, self.size - offset))
        done = 0
        while done < len(buffer):
            at = offset + done
            grain, inside = divmod(at, self._grain)
            length = min(self._grain - inside, len(buffer) - done)
            entry = self._entry(grain)
            if self._kind(entry) != "data":
                buffer[done : done + length] = bytes(length)
            elif self._header.compressed:
                buffer[done : done + length] = self._inflate(grain, entry)[inside : inside + length]
            else:
                # Grains that follow one another in the file as well are one read.
                while done + length < len(buffer) and self._entry(grain + 1) == entry + self._header.grain:
                    grain, entry = grain + 1, entry + self._header.grain
                    length += min(self._grain, len(buffer) - done - length)
                place = self._entry(at // self._grain) * SECTOR + inside
                self.file.read_into(place, buffer[done : done + length])
            done += length

    def _kind(self, entry: int) -> Kind:
        if entry == 0:
            return "hole"
        return "zero" if entry == _ZERO and self._header.zero_grains else "data"

    def _entry(self, grain: int) -> int:
        number, n = divmod(grain, ENTRIES)
        return self._table(number)[n] if self._directory[number] else 0

    def _inflate(self, grain: int, entry: int) -> bytes:
        """One grain's bytes; never inflates more than a grain, whatever the data says."""
        at = grain * self._grain
        wanted = min(self._grain, self.size - at)
        first, length = _GRAIN_MARKER.unpack(self._read(entry * SECTOR, _GRAIN_MARKER.size))
        if first != grain * self._header.grain:
            raise ImageDamaged(self._location, at, f"its grain marker is that of sector {first}")
        place = entry * SECTOR + _GRAIN_MARKER.size
        # Deflate makes data that cannot be compressed longer by under 1 %.
        if not 0 < length <= self._grain + self._grain // 8 + 64 or place + length > self.file.size:
            raise ImageDamaged(self._location, at, f"its grain claims {length} bytes of compressed data")
        inflater = zlib.decompressobj()
        try:
            data = inflater.decompress(self._read(place, length), self._grain + 1)
        except zlib.error as error:
            raise ImageDamaged(self._location, at, f"its grain cannot be inflated ({error})") from error
        if not wanted <= len(data) <= self._grain:
            raise ImageDamaged(self._location, at, f"its grain inflates to {len(data)} bytes, not {self._grain}")
        if not inflater.eof:
            raise ImageDamaged(self._location, at, "its grain has no end")
        return data

    def _load_table(self, number: int) -> array[int]:
        return self._entries(self._directory[number] * SECTOR, ENTRIES)

    def _check_map(self) -> None:
        """Every table and grain lies in the file, and there are no more grains than the file has room for."""
        size, sectors = self.file.size, self.file.size // SECTOR
        tables = [sector for sector in self._directory if sector]
        if any(sector * SECTOR + ENTRIES * 4 > size for sector in tables):
            raise ImageRefused(self._location, "grain directory", "a grain table lies beyond the end of the file")
        if len(set(tables)) != len(tables) or len(tables) * ENTRIES * 4 > size:
            raise ImageRefused(self._location, "grain directory", "two entries name one grain table")
        # The last sector of a plain grain, or the first of a compressed one, is in the file.
        last = sectors - (1 if self._header.compressed else self._header.grain)
        grains = 0
        for number, sector in enumerate(self._directory):
            if not sector:
                continue
            table = self._load_table(number)
            zeroes = table.count(_ZERO) if self._header.zero_grains else 0
            grains += ENTRIES - table.count(0) - zeroes
            highest = max(table)
            # VMware may cut the file behind the disk's last, partial grain.
            if highest > last and not self._is_cut(number, table, highest):
                raise ImageRefused(
                    self._location, f"grain table {number}", f"a grain at sector {highest} lies beyond the end of file"
                )
        if grains * (1 if self._header.compressed else self._header.grain) > sectors + self._header.grain:
            raise ImageRefused(self._location, "grain tables", f"{grains} grains overlap in a file of {size} bytes")

    def _is_cut(self, number: int, table: array[int], sector: int) -> bool:
        """Whether this is the disk's last grain, and what the disk has of it lies in the file."""
        of, n = divmod((self._header.capacity - 1) // self._header.grain, ENTRIES)
        part = self._header.capacity % self._header.grain or self._header.grain
        last = of == number and table[n] == sector
        return last and not self._header.compressed and (sector + part) * SECTOR <= self.file.size

    def _entries(self, offset: int, count: int) -> array[int]:
        entries = array("I")
        entries.frombytes(self._read(offset, count * 4))
        if sys.byteorder == "big":
            entries.byteswap()
        return entries

    def _read(self, offset: int, length: int) -> bytes:
        data = bytearray(length)
        self.file.read_into(offset, memoryview(data))
        return bytes(data)
