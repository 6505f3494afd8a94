"""Sparse files, against plain reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.lab import disks

BLOCK = 512 * 1024


def make(path: Path, size: int, *writes: tuple[int, bytes]) -> Path:
    with open(path, "wb") as file:
        file.truncate(size)
        for offset, data in writes:
            file.seek(offset)
            file.write(data)
    return path


def test_copy_keeps_bytes_and_holes(tmp_path: Path) -> None:
    source = make(tmp_path / "a", 64 << 20, (5 << 20, b"middle"), ((64 << 20) - 3, b"end"))
    disks.copy_sparse(source, tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == source.read_bytes()
    assert (tmp_path / "b").stat().st_blocks * 512 < 1 << 20


def test_copy_grows_to_the_wanted_size(tmp_path: Path) -> None:
    source = make(tmp_path / "a", 1 << 20, (0, b"x"))
    disks.copy_sparse(source, tmp_path / "b", 3 << 20)
    assert (tmp_path / "b").read_bytes() == source.read_bytes() + bytes(2 << 20)


def test_zeroes_written_are_blank_but_no_hole(tmp_path: Path) -> None:
    path = make(tmp_path / "a", 4 << 20, (1 << 20, bytes(1 << 20)))
    assert disks.is_blank(path) and not disks.is_hole(path)
    assert disks.is_hole(make(tmp_path / "b", 4 << 20))


def test_one_byte_is_not_blank(tmp_path: Path) -> None:
    assert not disks.is_blank(make(tmp_path / "a", 4 << 20, ((4 << 20) - 1, b"\1")))


@pytest.mark.parametrize(
    ("writes", "expected"),
    [((), []), (((0, b"x"),), [0]), (((BLOCK - 1, b"xy"),), [0, 1]), (((3 * BLOCK, b"x"), (9 * BLOCK, b"y")), [3, 9])],
)
def test_data_blocks(writes: tuple[tuple[int, bytes], ...], expected: list[int], tmp_path: Path) -> None:
    assert disks.data_blocks(make(tmp_path / "a", 16 * BLOCK, *writes)) == expected


def test_differing_blocks_see_bytes_not_allocation(tmp_path: Path) -> None:
    a = make(tmp_path / "a", 8 * BLOCK, (0, b"same"), (2 * BLOCK, bytes(BLOCK)), (5 * BLOCK, b"gone"))
    b = make(tmp_path / "b", 9 * BLOCK, (0, b"same"), (7 * BLOCK, b"new"), (8 * BLOCK, b"grown"))
    assert disks.differing_blocks(a, b) == [5, 7, 8]


def test_a_block_at_the_end_is_padded(tmp_path: Path) -> None:
    path = make(tmp_path / "a", BLOCK + 3, (BLOCK, b"abc"))
    assert disks.read_block(path, 1) == b"abc" + bytes(BLOCK - 3)


def test_grow_never_shrinks(tmp_path: Path) -> None:
    path = make(tmp_path / "a", 10)
    disks.grow(path, 5)
    assert path.stat().st_size == 10
    disks.grow(path, 20)
    assert path.stat().st_size == 20
