"""A disk's blocks as a map of a fixed number of cells, whatever its size.

A 16 TiB disk has 33.5 million blocks of 512 KiB. They are read in windows and counted cell by cell; only the counts
stay. Where two generations are compared, the work on single blocks is done by `map` and by big integers: a Python
loop over the blocks would take half a minute.
"""

from __future__ import annotations

import operator
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

from runner.blocks.digests import DATA, DIGEST_SIZE, ZERO, DigestFile, Window
from runner.blocks.extent import BLOCK, blocks_in
from runner.report.runs import Runs, merged, overlapping, shares

Look = Literal["drifted", "changed", "sparse", "injected", "data", "zero"]
# From the most telling to the least: a cell takes the first that is in it.
LOOKS: tuple[Look, ...] = ("drifted", "changed", "sparse", "injected", "data", "zero")

_WINDOW = 4096  # blocks: 64 KiB of digests. Windows that are alike cost one comparison, so they are short
# Below this share of its blocks a cell counts as `sparse`: on a big disk one block would else look like gigabytes.
_SPARSE = 8
_IS_DATA = bytes(255 if state == DATA else 0 for state in range(256))
_IS_SET = bytes(255 if value else 0 for value in range(256))


@dataclass(frozen=True)
class Cell:
    """The blocks from `first` on. A block may count under several of changed, injected and drifted; `data` and `zero`
    count those that are none of these."""

    first: int
    blocks: int
    changed: int
    injected: int
    drifted: int
    data: int
    zero: int

    @property
    def look(self) -> Look:
        """Its most telling state."""
        if self.drifted:
            return "drifted"
        if self.changed:
            return "changed" if self.changed * _SPARSE >= self.blocks else "sparse"
        if self.injected:
            return "injected"
        return "data" if self.data else "zero"


def _zeroes(count: int) -> array[int]:
    return array("Q", bytes(8 * count))


@dataclass(frozen=True)
class BlockMap:
    """A disk in cells: cell i begins at block `bounds[i]`. Counts are blocks of 512 KiB; `size` is in bytes."""

    size: int
    bounds: Sequence[int]
    changed: array[int] = field(repr=False)
    injected: array[int] = field(repr=False)
    drifted: array[int] = field(repr=False)
    data: array[int] = field(repr=False)
    zero: array[int] = field(repr=False)

    @property
    def block_bytes(self) -> int:
        """What a block holds."""
        return BLOCK

    @property
    def blocks(self) -> int:
        """All blocks of the disk."""
        return self.bounds[-1]

    def __len__(self) -> int:
        return len(self.bounds) - 1

    def __iter__(self) -> Iterator[Cell]:
        counts = zip(self.changed, self.injected, self.drifted, self.data, self.zero, strict=True)
        for (first, end), (changed, injected, drifted, data, zero) in zip(pairwise(self.bounds), counts, strict=True):
            yield Cell(first, end - first, changed, injected, drifted, data, zero)

    def total(self) -> Cell:
        """The whole disk as one cell."""
        sums = [sum(counts) for counts in (self.changed, self.injected, self.drifted, self.data, self.zero)]
        return Cell(0, self.blocks, *sums)


def map_disk(
    now: DigestFile,
    before: DigestFile | None,
    injected: Runs = (),
    drifted: Runs = (),
    *,
    size: int = 0,
    cells: int = 2048,
) -> BlockMap:
    """Map a generation of a disk, compared with an earlier one. Runs are (first block, count), in any order.

    `size` is the volume's, in bytes: what lies past the source's end there was never written by a copy, so that it is
    zero unless it drifted. Blocks that the earlier generation does not have (the source grew) count as changed.
    Raises `DigestsDamaged`.
    """
    blocks = max(now.blocks, blocks_in(size))
    count = max(1, min(cells, blocks))
    bounds = [blocks * at // count for at in range(count + 1)]
    runs = {"injected": list(merged(injected, blocks)), "drifted": list(merged(drifted, blocks))}
    made = BlockMap(max(size, now.size), bounds, *(_zeroes(count) for _ in range(5)))
    for first, length in runs["injected"]:
        for cell, part in shares(bounds, first, length):
            made.injected[cell] += part
    for first, length in runs["drifted"]:
        for cell, part in shares(bounds, first, length):
            made.drifted[cell] += part
    known = list(merged((run for either in runs.values() for run in either), blocks))
    for window in now.windows(_WINDOW):
        _count(made, window, None if before is None else _same_place(before, window), known)
    _count_beyond(made, now.blocks, known)
    return made


def _count_beyond(made: BlockMap, first: int, known: Sequence[tuple[int, int]]) -> None:
    """The blocks past the source's end, without looking at each."""
    if made.blocks == first:
        return
    for cell, part in shares(made.bounds, first, made.blocks - first):
        made.zero[cell] += part
    for start, length in overlapping(known, first, made.blocks):
        for cell, part in shares(made.bounds, start, length):
            made.zero[cell] -= part


def _count(made: BlockMap, window: Window, before: Window | None, known: Sequence[tuple[int, int]]) -> None:
    differing = None if before is None else differing_blocks(window, before)
    rest = bytearray(window.states)  # the state of blocks that are nothing but data or zero
    if differing is not None:
        size = len(rest)
        mask = int.from_bytes(differing.translate(_IS_SET), "little")
        rest[:] = (int.from_bytes(rest, "little") & ~mask).to_bytes(size, "little")
    end = window.first + len(rest)
    for first, length in overlapping(known, window.first, end):
        rest[first - window.first : first - window.first + length] = bytes(length)
    for cell, part in shares(made.bounds, window.first, len(rest)):
        start = max(made.bounds[cell], window.first) - window.first
        made.data[cell] += rest.count(DATA, start, start + part)
        made.zero[cell] += rest.count(ZERO, start, start + part)
        if differing is not None:
            made.changed[cell] += part - differing.count(0, start, start + part)


def differing_blocks(one: Window, other: Window) -> bytes | None:
    """A byte for each block, not 0 where the two windows (of the same blocks) differ; None where none does."""
    if one.states == other.states and one.digests == other.digests:
        return None
    halves = bytes(map(operator.ne, memoryview(one.digests).cast("Q"), memoryview(other.digests).cast("Q")))
    digests = _number(halves[::2]) | _number(halves[1::2])
    # What stands in place of the digest of a block that is no data means nothing.
    both = _number(one.states.translate(_IS_DATA)) & _number(other.states.translate(_IS_DATA))
    states = _number(one.states) ^ _number(other.states)
    found = (states | digests & both).to_bytes(len(one.states), "little")
    return found if any(found) else None


def _number(data: bytes) -> int:
    return int.from_bytes(data, "little")


def _same_place(file: DigestFile, window: Window) -> Window:
    """The same blocks of another file; past its end they are unknown, which nothing equals."""
    size = len(window.states)
    there = max(0, min(size, file.blocks - window.first))
    states = file.state_run(window.first, there)
    digests = file.digests(window.first, there) if DATA in states else bytes(DIGEST_SIZE * there)
    return Window(window.first, states.ljust(size, b"\0"), digests.ljust(DIGEST_SIZE * size, b"\0"))
