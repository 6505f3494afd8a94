"""Ranges of a disk, and what a source says of them. All offsets and lengths are in bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from runner.blocks.errors import ExtentsBroken

# The block of the EBS direct APIs (BlockSize of ListSnapshotBlocks); digests are kept per block.
BLOCK = 512 * 1024

Kind = Literal["data", "zero", "hole"]
_LETTERS: dict[str, Kind] = {"D": "data", "0": "data", "Z": "zero", "-": "hole"}


@dataclass(frozen=True, slots=True)
class Extent:
    """One range: `data` must be read, `zero` is stated to read as zeroes, `hole` is not allocated (reads as zeroes)."""

    offset: int
    length: int
    kind: Kind

    @property
    def end(self) -> int:
        """First byte behind the range."""
        return self.offset + self.length


@dataclass(frozen=True, slots=True)
class Run:
    """Consecutive blocks of `BLOCK` bytes: `data` if a byte of each lies in a data extent, else all zeroes."""

    first: int
    count: int
    data: bool


def blocks_in(size: int) -> int:
    """How many blocks a disk of `size` bytes has; the last may be a part of one."""
    return -(-size // BLOCK)


def drawn(picture: str, unit: int) -> list[Extent]:
    """Extents from a picture of `unit` bytes a letter: D data, 0 data that happens to be zeroes, Z zero, - hole."""
    return merged(Extent(i * unit, unit, _LETTERS[letter]) for i, letter in enumerate(picture))


def merged(extents: Iterable[Extent]) -> list[Extent]:
    """Neighbours of one kind as one extent; empty ones left out."""
    result: list[Extent] = []
    for extent in extents:
        if not extent.length:
            continue
        if result and result[-1].kind == extent.kind and result[-1].end == extent.offset:
            result[-1] = Extent(result[-1].offset, result[-1].length + extent.length, extent.kind)
        else:
            result.append(extent)
    return result


def covering(extents: Iterable[Extent], size: int) -> Iterator[Extent]:
    """The same extents, checked to cover 0 to `size` without gap or overlap; raises `ExtentsBroken`.

    A gap would read as zeroes on the replica and nobody would notice.
    """
    due = 0
    for extent in extents:
        if extent.offset != due or extent.length < 0 or extent.end > size:
            raise ExtentsBroken(extent.offset, due)
        due = extent.end
        yield extent
    if due != size:
        raise ExtentsBroken(size, due)


def block_runs(extents: Iterable[Extent], size: int) -> Iterator[Run]:
    """Runs of blocks in order, each block once; lazily, so that a 16 TiB map is never held in memory."""
    first = last = 0  # the run of data blocks at hand; empty while equal
    for extent in covering(extents, size):
        if extent.kind != "data" or not extent.length:
            continue
        low = extent.offset // BLOCK
        if low > last:
            if last > first:
                yield Run(first, last - first, True)
            yield Run(last, low - last, False)
            first = low
        last = blocks_in(extent.end)
    if last > first:
        yield Run(first, last - first, True)
    if blocks_in(size) > last:
        yield Run(last, blocks_in(size) - last, False)
