"""Runs of consecutive blocks: (first block, count)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from runner.blocks.extent import BLOCK

Runs = Iterable[tuple[int, int]]


def runs_of_bytes(ranges: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """(offset, length) in bytes as runs of the blocks that they touch."""
    for offset, length in ranges:
        if length > 0:
            first = offset // BLOCK
            yield first, (offset + length - 1) // BLOCK - first + 1


def merged(runs: Runs, blocks: int) -> Iterator[tuple[int, int]]:
    """The runs in order, joined where they overlap or touch, and cut at the disk's end."""
    at = end = 0
    for first, count in sorted(runs):
        if first > end:
            if end > at:
                yield at, end - at
            at = end = first
        end = min(max(end, first + count), blocks)
    if end > at:
        yield at, end - at


def overlapping(runs: Sequence[tuple[int, int]], first: int, end: int) -> Iterator[tuple[int, int]]:
    """The parts of sorted, distinct runs that lie in [first, end)."""
    at = _bisect(runs, first)
    while at < len(runs) and runs[at][0] < end:
        start, stop = max(runs[at][0], first), min(sum(runs[at]), end)
        if stop > start:
            yield start, stop - start
        at += 1


def _bisect(runs: Sequence[tuple[int, int]], first: int) -> int:
    """The first run that ends after a block."""
    low, high = 0, len(runs)
    while low < high:
        middle = (low + high) // 2
        if sum(runs[middle]) <= first:
            low = middle + 1
        else:
            high = middle
    return low


def shares(bounds: Sequence[int], first: int, count: int) -> Iterator[tuple[int, int]]:
    """(cell, blocks) of the cells that a run lies in."""
    cells, end = len(bounds) - 1, first + count
    cell = min(cells - 1, first * cells // bounds[-1])
    # The division above is exact only up to the rounding of the bounds.
    while bounds[cell + 1] <= first:
        cell += 1
    while first < end:
        stop = min(end, bounds[cell + 1])
        yield cell, stop - first
        first, cell = stop, cell + 1
