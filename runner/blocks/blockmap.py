"""What must be looked at or written of a disk, and why: a byte of flags for each block.

A byte a block, because runs come in any order and any number: 32 MiB for 16 TiB, whatever the caller lists.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from runner.blocks.extent import BLOCK, blocks_in

DEVIATING = 1  # the device is known to hold other bytes than it was left with
LISTED = 2  # a change list says that the source's bytes are others
WRITTEN = 4  # this pass has written it
_ADDED = {
    flag: bytes(value | flag for value in range(256)) for flag in (DEVIATING, LISTED, WRITTEN)
}  # for bytes.translate: no loop over blocks
_ONLY = {flag: bytes(value & flag for value in range(256)) for flag in range(8)}


class BlockMap:
    """Flags of `blocks` blocks; what is marked beyond is left out."""

    def __init__(self, blocks: int) -> None:
        self.blocks = blocks
        self._flags = bytearray(blocks)

    def mark(self, flag: int, first: int, count: int) -> None:
        """Add a flag to consecutive blocks."""
        if first < 0 or count < 0:
            raise ValueError(f"{count} blocks from {first} on")
        end = min(first + count, self.blocks)
        if first < end:
            self._flags[first:end] = self._flags[first:end].translate(_ADDED[flag])

    def mark_runs(self, flag: int, runs: Iterable[tuple[int, int]]) -> None:
        """Add a flag to (first, count) runs of blocks, in any order; they may overlap."""
        for first, count in runs:
            self.mark(flag, first, count)

    def mark_bytes(self, flag: int, extents: Iterable[tuple[int, int]]) -> None:
        """Add a flag to all blocks that (offset, length) extents touch, in bytes."""
        for offset, length in extents:
            first = offset // BLOCK
            self.mark(flag, first, blocks_in(offset + length) - first if length else 0)

    def flags(self, first: int, count: int, only: int) -> bytes:
        """A byte a block: these flags alone."""
        return bytes(self._flags[first : first + count].translate(_ONLY[only]))

    def runs(self, only: int, first: int, end: int) -> Iterator[tuple[int, int]]:
        """(first, count) of the runs of blocks with any of these flags, within `first` to `end`."""
        step = 1 << 16
        start = length = 0
        for at in range(first, min(end, self.blocks), step):
            for run_first, count in nonzero_runs(self.flags(at, min(step, end - at, self.blocks - at), only)):
                if length and at + run_first == start + length:
                    length += count
                    continue
                if length:
                    yield start, length
                start, length = at + run_first, count
        if length:
            yield start, length


def nonzero_runs(marks: bytes) -> Iterator[tuple[int, int]]:
    """(first, count) of the runs of bytes that are not 0."""
    for run in re.finditer(rb"[^\0]+", marks):
        yield run.start(), run.end() - run.start()


def either(one: bytes, other: bytes) -> bytes:
    """Byte for byte, what is marked in one of two equally long marks."""
    both = int.from_bytes(one, "little") | int.from_bytes(other, "little")
    return both.to_bytes(len(one), "little")
