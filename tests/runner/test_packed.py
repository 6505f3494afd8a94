"""Packed files: gzip itself unpacks them, they come back with their holes, and damage is told."""

from __future__ import annotations

import gzip
import random
from pathlib import Path

import pytest

from runner.packed import PackedDamaged, pack, unpack

NOISE = random.Random(5).randbytes(300_000)
CONTENT = NOISE + bytes(5 << 20) + b"end" + bytes(7)


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    (tmp_path / "source").write_bytes(CONTENT)
    pack(tmp_path / "source", tmp_path / "packed")
    return tmp_path / "packed"


def test_gzip_reads_what_is_packed(packed: Path) -> None:
    assert gzip.decompress(packed.read_bytes()) == CONTENT


@pytest.mark.parametrize("level", [1, 9])
def test_it_comes_back_with_its_holes(tmp_path: Path, level: int) -> None:
    (tmp_path / "by-gzip").write_bytes(gzip.compress(CONTENT, level))
    with (tmp_path / "by-gzip").open("rb") as file:
        unpack(file, tmp_path / "new" / "target", "here")
    target = tmp_path / "new" / "target"
    assert target.read_bytes() == CONTENT
    assert target.stat().st_blocks * 512 < len(CONTENT) // 2
    assert [path.name for path in target.parent.iterdir()] == ["target"]


@pytest.mark.parametrize("damage", ["cut", "flipped", "no gzip", "empty"])
def test_damage_is_told(tmp_path: Path, packed: Path, damage: str) -> None:
    whole = packed.read_bytes()
    middle = len(NOISE) // 2
    flipped = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
    text = {"cut": whole[:-9], "flipped": flipped, "no gzip": b"plain text", "empty": b""}[damage]
    packed.write_bytes(text)
    with packed.open("rb") as file, pytest.raises(PackedDamaged) as raised:
        unpack(file, tmp_path / "target", "s3://bucket/key")
    assert raised.value.exit_code == 4 and raised.value.where == "s3://bucket/key"
    assert not (tmp_path / "target").exists()
