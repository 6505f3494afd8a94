"""Comparing two disks byte for byte."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Protocol

from runner.blocks.buffers import aligned_buffer, is_same
from runner.blocks.diskfile import DiskFile
from runner.blocks.extent import Extent, merged

_REQUEST = 2 * 1024 * 1024
_GRAIN = 4096


class Readable(Protocol):
    """A source or a device: whatever fills a buffer from a byte on."""

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Fill the buffer; raises `OSError`, `ShortRead`."""


def compare(one: Readable | str, other: Readable | str, length: int) -> list[Extent]:
    """The ranges of the first `length` bytes in which two disks (or raw files, by path) differ, to 4 KiB.

    Raises `OSError`, and `ShortRead` if one of them ends before.
    """
    with ExitStack() as stack:
        sides: list[Readable] = []
        for side in (one, other):
            if isinstance(side, str):
                side = DiskFile(side, writable=False, direct=False)
                stack.callback(side.close)
            sides.append(side)
        left, right = aligned_buffer(_REQUEST), aligned_buffer(_REQUEST)
        found: list[Extent] = []
        for offset in range(0, length, _REQUEST):
            size = min(_REQUEST, length - offset)
            sides[0].read_into(offset, left[:size])
            sides[1].read_into(offset, right[:size])
            if is_same(left[:size], right[:size]):
                continue
            for at in range(0, size, _GRAIN):
                end = min(at + _GRAIN, size)
                if not is_same(left[at:end], right[at:end]):
                    found.append(Extent(offset + at, end - at, "data"))
            found = merged(found)
    return found
