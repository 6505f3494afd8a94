"""What a request's blocks hold: states and digests, and how they fall into data and zeroes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from runner.blocks.buffers import is_zero
from runner.blocks.digests import DATA, DIGEST_SIZE, ZERO, digest_of
from runner.blocks.extent import BLOCK

_NO_DIGEST = bytes(DIGEST_SIZE)


def digested(buffer: memoryview, length: int) -> tuple[bytes, bytes]:
    """A state byte and 16 digest bytes for each block of the buffer's first `length` bytes.

    The last block may be a short one: what follows it in the buffer, up to the block's end, is set to zeroes.
    """
    end = -(-length // BLOCK) * BLOCK
    if length < end:
        buffer[length:end] = bytes(end - length)
    states, digests = bytearray(), bytearray()
    for at in range(0, end, BLOCK):
        block = buffer[at : at + BLOCK]
        if is_zero(block):
            states.append(ZERO)
            digests += _NO_DIGEST
        else:
            states.append(DATA)
            digests += digest_of(block)
    return bytes(states), bytes(digests)


def stretches(kinds: bytes, length: int) -> Iterator[tuple[int, int, int]]:
    """(from, to, kind) in bytes of the runs of blocks of one kind, the last one ending at `length`."""
    at = 0
    for kind, blocks in groupby(kinds):
        end = min(at + sum(1 for _ in blocks) * BLOCK, length)
        yield at, end, kind
        at = end
