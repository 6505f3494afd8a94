"""The map's counts against counting the letters that the disks were painted with."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from runner.blocks.digests import DATA, UNKNOWN, ZERO, DigestFile, Window
from runner.report.blockmap import BlockMap, Cell, differing_blocks, map_disk
from runner.report.runs import runs_of_bytes
from tests.runner.report.ground import BLOCK, Ground, Painted


def mapped(place: Path, disk: Painted, cells: int, beyond: int = 0) -> BlockMap:
    """A painted disk's second generation, compared with its first, on a volume with more blocks beyond it."""
    ground = Ground(place, "web01", (disk,))
    ground.two_generations()
    now = DigestFile.open(ground.manifests.digest_file(2, disk.id))
    before = DigestFile.open(ground.manifests.digest_file(1, disk.id))
    try:
        runs = [(block, 1) for block in disk.injected], [(block, 1) for block in disk.drifted]
        return map_disk(now, before, *runs, size=len(disk.letters) * BLOCK + beyond * BLOCK, cells=cells)
    finally:
        now.close()
        before.close()


def counted(disk: Painted, cells: int) -> list[Cell]:
    """The same by hand: every block looked at on its own."""
    blocks, before = len(disk.letters), len(disk.letters) if disk.before is None else disk.before
    bounds = [blocks * at // cells for at in range(cells + 1)]
    found = []
    for first, end in zip(bounds, bounds[1:], strict=False):
        changed = injected = drifted = data = zero = 0
        for block in range(first, end):
            moved = disk.letters[block] in "Cz" or block >= before
            changed += moved
            injected += block in disk.injected
            drifted += block in disk.drifted
            rest = not moved and block not in disk.injected and block not in disk.drifted
            data += rest and disk.letters[block] == "D"
            zero += rest and disk.letters[block] == "Z"
        found.append(Cell(first, end - first, changed, injected, drifted, data, zero))
    return found


def painted(seed: int, blocks: int) -> Painted:
    """A disk of runs of letters, with blocks injected and drifted wherever it falls."""
    chance = random.Random(seed)
    letters = ""
    while len(letters) < blocks:
        letters += chance.choice("DDDZZCz") * chance.randint(1, 40)
    some = tuple(chance.sample(range(blocks), min(blocks, 25)))
    return Painted(
        "root",
        letters[:blocks],
        some[:15],
        some[10:],
        chance.choice([None, *(max(1, n) for n in (blocks // 2, blocks - 1))]),
    )


@pytest.mark.parametrize(("blocks", "cells"), [(1, 2048), (7, 7), (1000, 7), (2049, 2048)])
def test_counts_are_those_of_the_blocks(tmp_path: Path, blocks: int, cells: int) -> None:
    disk = painted(blocks, blocks)
    made = mapped(tmp_path, disk, cells)
    assert list(made) == counted(disk, min(cells, blocks))
    assert made.blocks == sum(cell.blocks for cell in made) == blocks


@pytest.mark.thorough
@pytest.mark.parametrize("seed", range(20))
def test_the_volume_beyond_the_source_is_zero_or_drifted(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    beyond = chance.randint(1, 9000)
    disk = painted(seed, chance.randint(1, 3000))
    end = len(disk.letters) + beyond
    disk = replace(disk, drifted=(*disk.drifted, *range(end - min(beyond, 30), end - 1)))
    cells = min(chance.choice([1, 3, 128, 2048]), end)
    # To whoever counts by hand, the volume is a disk with zeroes at its end, which were there before.
    same = replace(disk, letters=disk.letters + "Z" * beyond)
    if disk.before is not None:
        same = replace(
            same, letters=disk.letters[: disk.before] + "C" * (len(disk.letters) - disk.before) + "Z" * beyond
        )
    assert list(mapped(tmp_path, disk, cells, beyond)) == counted(replace(same, before=None), cells)


@pytest.mark.thorough
@pytest.mark.parametrize("seed", range(40))
def test_counts_of_any_disk(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    disk = painted(seed, chance.randint(1, 12_000))
    cells = min(chance.choice([1, 3, 128, 512, 2048]), len(disk.letters))
    assert list(mapped(tmp_path, disk, cells)) == counted(disk, cells)


def test_without_a_generation_before_nothing_is_changed(tmp_path: Path) -> None:
    ground = Ground(tmp_path, "web01", (Painted("root", "DDCZz"),))
    ground.two_generations()
    file = DigestFile.open(ground.manifests.digest_file(2, "root"))
    assert map_disk(file, None).total() == Cell(0, 5, 0, 0, 0, 3, 2)
    file.close()


@pytest.mark.parametrize(
    ("cell", "look"),
    [
        (Cell(0, 16, 1, 1, 1, 13, 0), "drifted"),
        (Cell(0, 16, 2, 1, 0, 13, 0), "changed"),
        (Cell(0, 16, 1, 1, 0, 14, 0), "sparse"),
        (Cell(0, 16, 0, 1, 0, 15, 0), "injected"),
        (Cell(0, 16, 0, 0, 0, 1, 15), "data"),
        (Cell(0, 16, 0, 0, 0, 0, 16), "zero"),
        (Cell(0, 1, 1, 0, 0, 0, 0), "changed"),
    ],
)
def test_a_cell_takes_its_most_telling_look(cell: Cell, look: str) -> None:
    assert cell.look == look


@pytest.mark.parametrize("byte", range(16))
def test_every_byte_of_a_digest_counts(byte: int) -> None:
    digests = bytes(range(48))
    other = bytearray(digests)
    other[16 + byte] ^= 128
    states = bytes([DATA] * 3)
    found = differing_blocks(Window(0, states, digests), Window(0, states, bytes(other)))
    assert found is not None and [bool(flag) for flag in found] == [False, True, False]


@pytest.mark.parametrize(
    ("one", "other", "differs"),
    [((ZERO, 1), (ZERO, 2), False), ((DATA, 1), (ZERO, 1), True), ((DATA, 1), (UNKNOWN, 1), True)],
)
def test_digests_count_where_both_are_data(one: tuple[int, int], other: tuple[int, int], differs: bool) -> None:
    windows = [Window(0, bytes([state]), bytes([digest] * 16)) for state, digest in (one, other)]
    assert (differing_blocks(*windows) is not None) is differs


def test_bytes_are_the_blocks_they_touch() -> None:
    ranges = [(0, 1), (BLOCK - 1, 2), (5 * BLOCK, BLOCK), (7 * BLOCK, 0)]
    assert list(runs_of_bytes(ranges)) == [(0, 1), (0, 2), (5, 1)]


def test_runs_past_the_end_and_over_each_other_count_once(tmp_path: Path) -> None:
    ground = Ground(tmp_path, "web01", (Painted("root", "D" * 10),))
    ground.two_generations()
    file = DigestFile.open(ground.manifests.digest_file(2, "root"))
    made = map_disk(file, None, [(8, 5), (2, 3), (3, 1), (20, 4)], [(0, 100)], cells=5)
    file.close()
    assert totals(made) == (5, 10, 0, 0)


def totals(made: BlockMap) -> Sequence[int]:
    total = made.total()
    return total.injected, total.drifted, total.data, total.zero
