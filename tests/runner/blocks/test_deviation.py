"""Where a device no longer holds what a digest file says."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from runner.blocks.copy import copy_disk
from runner.blocks.deviation import find_deviating, runs
from runner.blocks.digests import DigestFile
from runner.blocks.errors import Stopped
from runner.blocks.extent import BLOCK
from runner.blocks.memory import MemoryDevice, MemorySource

# The source ends inside of block 9, the device inside of block 13.
SOURCE = 9 * BLOCK + 1000
DEVICE = 13 * BLOCK + 5000


def copied(folder: Path) -> tuple[MemoryDevice, DigestFile]:
    content = bytearray(random.Random(7).randbytes(SOURCE))
    content[3 * BLOCK : 5 * BLOCK] = bytes(2 * BLOCK)
    device, path = MemoryDevice(DEVICE), folder / "root.digests"
    copy_disk(
        MemorySource(bytes(content)),
        device,
        disk="root",
        generation=1,
        digests=path,
        checkpoint=folder / "root.checkpoint",
        blank=True,
    )
    return device, DigestFile.open(path)


@pytest.mark.parametrize(
    ("touched", "deviating"),
    [
        ([], []),
        ([0], [(0, 1)]),
        ([BLOCK - 1, BLOCK], [(0, 2)]),
        ([3 * BLOCK + 5], [(3, 1)]),  # a block of zeroes that is none any more
        ([SOURCE - 1], [(9, 1)]),
        ([SOURCE], [(9, 1)]),  # behind the source's end, in the block that holds it
        ([10 * BLOCK], [(10, 1)]),
        ([DEVICE - 1, 2 * BLOCK, 12 * BLOCK], [(2, 1), (12, 2)]),
    ],
)
@pytest.mark.parametrize("threads", [1, 4])
def test_blocks_that_were_written_to(
    tmp_path: Path, touched: list[int], deviating: list[tuple[int, int]], threads: int
) -> None:
    device, digests = copied(tmp_path)
    for at in touched:
        device.content[at] ^= 0xFF
    assert find_deviating(device, digests, threads=threads) == deviating
    digests.close()


def test_it_stops_when_it_is_asked_to(tmp_path: Path) -> None:
    device, digests = copied(tmp_path)
    with pytest.raises(Stopped):
        find_deviating(device, digests, stop=lambda: True)
    digests.close()


def test_runs_of_blocks_in_any_order() -> None:
    assert list(runs([5, 3, 4, 9, 3])) == [(3, 3), (9, 1)]
    assert list(runs([])) == []
