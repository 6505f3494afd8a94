from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.blocks.errors import ExtentsBroken
from runner.blocks.extent import Extent, Run, block_runs, covering, drawn

BLOCK = 512 * 1024


@pytest.mark.parametrize(
    ("picture", "runs"),
    [
        ("D", [(0, 1, True)]),
        ("-", [(0, 1, False)]),
        ("DD--", [(0, 2, True), (2, 2, False)]),
        ("-D-", [(0, 1, False), (1, 1, True), (2, 1, False)]),
        ("Z-D0", [(0, 2, False), (2, 2, True)]),
    ],
)
def test_extents_of_whole_blocks_become_runs(picture, runs):
    assert list(block_runs(drawn(picture, BLOCK), len(picture) * BLOCK)) == [Run(*run) for run in runs]


def test_a_block_that_is_data_in_part_is_data():
    extents = [Extent(0, BLOCK + 1, "hole"), Extent(BLOCK + 1, 1, "data"), Extent(BLOCK + 2, BLOCK, "zero")]
    assert list(block_runs(extents, 2 * BLOCK + 2)) == [Run(0, 1, False), Run(1, 1, True), Run(2, 1, False)]


@pytest.mark.parametrize(
    "extents",
    [
        [Extent(0, 5, "data")],
        [Extent(1, 9, "data")],
        [Extent(0, 6, "data"), Extent(5, 5, "data")],
        [Extent(0, 5, "data"), Extent(6, 4, "hole")],
        [Extent(0, 11, "data")],
        [Extent(0, 12, "hole"), Extent(12, -2, "data")],
        [],
    ],
)
def test_extents_with_gaps_or_overlaps_are_an_error(extents):
    with pytest.raises(ExtentsBroken):
        list(covering(extents, 10))


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["data", "zero", "hole"]), st.integers(1, 3 * BLOCK)), min_size=1))
def test_runs_cover_every_block_once_and_hold_every_data_byte(pieces):
    extents, at = [], 0
    for kind, length in pieces:
        extents.append(Extent(at, length, kind))
        at += length
    runs = list(block_runs(extents, at))
    due = 0
    for run in runs:
        assert run.first == due and run.count > 0
        due = run.first + run.count
    assert due == -(-at // BLOCK)
    assert all(one.data != other.data for one, other in zip(runs, runs[1:], strict=False))
    data_blocks = {b for e in extents if e.kind == "data" for b in range(e.offset // BLOCK, (e.end - 1) // BLOCK + 1)}
    assert {b for run in runs if run.data for b in range(run.first, run.first + run.count)} == data_blocks
