"""Where each grain of a hosted sparse VMDK extent lies in its file: grain directory and grain tables."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterator
from functools import lru_cache
from itertools import groupby

from runner.blocks.bytefile import ByteFile
from runner.blocks.errors import ImageRefused
from runner.blocks.extent import Extent, Kind
from runner.blocks.vmdk_descriptor import SECTOR
from runner.blocks.vmdk_header import ENTRIES, SparseHeader

_TABLE = ENTRIES * 4  # bytes
_TABLES_KEPT = 1024  # 2 MiB
_TABLES_AT_ONCE = 256  # 512 KiB, read at once where tables follow one another, as all writers lay them out
_ZERO = 1  # a grain table entry that says: zeroes (with the header's flag)
_NONE = bytes(_TABLE * _TABLES_AT_ONCE)


class GrainMap:
    """A map that has been checked whole: what it names lies in the file. Places are in sectors of 512 bytes.

    Tables do not overlap, no grain stands twice in one table, and all grains together fit into the file. Raises
    `ImageRefused`. It is read by several threads.
    """

    def __init__(self, file: ByteFile, header: SparseHeader) -> None:
        self._file = file
        self._header = header
        self._last_zero = _ZERO if header.zero_grains else 0
        self._directory = self._numbers(self._read(header.directory_offset * SECTOR, header.tables * 4))
        self._table = lru_cache(_TABLES_KEPT)(self._load_table)
        self._check_tables()
        self._check_grains()

    def places(self, first: int, count: int) -> array[int]:
        """The first sector of each of these grains in the file; 0 for a hole or zeroes."""
        places: array[int] = array("I")
        while count:
            number, n = divmod(first, ENTRIES)
            taken = min(count, ENTRIES - n)
            places += self._table(number)[n : n + taken] if self._directory[number] else array("I", bytes(taken * 4))
            first, count = first + taken, count - taken
        if self._last_zero and _ZERO in places:
            places = array("I", (0 if place == _ZERO else place for place in places))
        return places

    def extents(self) -> Iterator[Extent]:
        """What the grain tables say of the disk, in bytes; neighbours of one kind are one extent where it is cheap."""
        grain, size = self._header.grain * SECTOR, self._header.capacity * SECTOR
        span = ENTRIES * grain
        for number, count, tables in self._walk():
            at = number * span
            if not tables:
                yield Extent(at, min(count * span, size - at), "hole")
                continue
            places = self._numbers(tables)
            if min(places) > self._last_zero:  # all data, as most of a full disk is: one extent
                yield Extent(at, min(count * span, size - at), "data")
                continue
            for kind, entries in groupby(places, self._kind):
                end = min(at + sum(1 for _ in entries) * grain, size)
                if end > at:
                    yield Extent(at, end - at, kind)
                at = end

    def _kind(self, place: int) -> Kind:
        if place == 0:
            return "hole"
        return "zero" if place == self._last_zero else "data"

    def _walk(self) -> Iterator[tuple[int, int, bytes]]:
        """All tables in order: number of the first, how many, their bytes; none where they hold nothing."""
        directory, number = self._directory, 0
        while number < len(directory):
            sector, count = directory[number], 1
            step = _TABLE // SECTOR if sector else 0
            # Tables that there are not cost nothing: any number of them is one step.
            most = min(_TABLES_AT_ONCE if sector else len(directory), len(directory) - number)
            while count < most and directory[number + count] == sector + count * step:
                count += 1
            tables = self._read(sector * SECTOR, count * _TABLE) if sector else b""
            yield number, count, b"" if tables == _NONE[: len(tables)] else tables
            number += count

    def _check_tables(self) -> None:
        size = self._file.size
        tables = array("I", filter(None, self._directory))
        if any(later < sector for sector, later in zip(tables, tables[1:], strict=False)):
            tables = array("I", sorted(tables))
        if tables and tables[-1] * SECTOR + _TABLE > size:
            raise self._refusal("grain directory", f"a grain table at sector {tables[-1]} lies beyond the end of file")
        if len(tables) * _TABLE > size or any(
            later - sector < _TABLE // SECTOR for sector, later in zip(tables, tables[1:], strict=False)
        ):
            raise self._refusal("grain directory", "grain tables overlap")

    def _check_grains(self) -> None:
        header, size = self._header, self._file.size
        sectors = size // SECTOR
        least = 1 if header.compressed else header.grain  # sectors of the file that a grain takes
        grains = 0
        for number, _, tables in self._walk():
            for at in range(0, len(tables), _TABLE):
                table = self._numbers(tables[at : at + _TABLE])
                highest = max(table)
                if highest <= self._last_zero:
                    continue
                # VMware may cut the file behind the disk's last, partial grain.
                if highest > sectors - least and not self._is_cut(number + at // _TABLE, table, highest):
                    raise self._refusal(
                        f"grain table {number + at // _TABLE}",
                        f"a grain at sector {highest} lies beyond the end of the file",
                    )
                places = set(table)
                empty = table.count(0) + (table.count(_ZERO) if self._last_zero else 0)
                if len(places) - (0 in places) - (self._last_zero in places and self._last_zero) != ENTRIES - empty:
                    raise self._refusal(f"grain table {number + at // _TABLE}", "two entries name one grain")
                grains += ENTRIES - empty
        if grains * least > sectors + header.grain:
            raise self._refusal("grain tables", f"{grains} grains overlap in a file of {size} bytes")

    def _is_cut(self, number: int, table: array[int], sector: int) -> bool:
        """Whether this is the disk's last grain, and what the disk has of it lies in the file."""
        header = self._header
        of, n = divmod((header.capacity - 1) // header.grain, ENTRIES)
        part = header.capacity % header.grain or header.grain
        last = of == number and table[n] == sector
        return last and not header.compressed and (sector + part) * SECTOR <= self._file.size

    def _load_table(self, number: int) -> array[int]:
        return self._numbers(self._read(self._directory[number] * SECTOR, _TABLE))

    def _numbers(self, data: bytes) -> array[int]:
        numbers = array("I")
        numbers.frombytes(data)
        if sys.byteorder == "big":
            numbers.byteswap()
        return numbers

    def _read(self, offset: int, length: int) -> bytes:
        data = bytearray(length)
        self._file.read_into(offset, memoryview(data))
        return bytes(data)

    def _refusal(self, field: str, rule: str) -> ImageRefused:
        return ImageRefused(self._file.path, field, rule)
