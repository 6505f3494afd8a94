from __future__ import annotations

import pytest

from runner.blocks.compare import compare
from runner.blocks.errors import ShortRead
from runner.blocks.memory import MemorySource

MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("flipped", "ranges"),
    [
        ([], []),
        ([0], [(0, 4096)]),
        ([4095, 4096], [(0, 8192)]),
        ([2 * MIB - 1, 2 * MIB], [(2 * MIB - 4096, 8192)]),
        ([100, 3 * MIB + 10], [(0, 4096), (3 * MIB, 50)]),
    ],
)
def test_differing_ranges_are_found_to_4_kib(flipped, ranges):
    one = MemorySource.from_picture("DDDD", MIB, trim=MIB - 50)
    other = MemorySource(bytes(one.content))
    for at in flipped:
        other.content[at] ^= 1
    assert [(e.offset, e.length) for e in compare(one, other, one.size)] == ranges


def test_only_the_asked_length_counts_and_both_must_have_it():
    one, other = MemorySource(b"aaaa"), MemorySource(b"aaab")
    assert compare(one, other, 3) == []
    with pytest.raises(ShortRead):
        compare(one, other, 5)
