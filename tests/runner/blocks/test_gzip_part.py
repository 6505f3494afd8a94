"""Gzip'ed files at any place: what Python's gzip writes is read, in any order, in bounded memory."""

from __future__ import annotations

import gzip
import random
import struct
import tracemalloc

import pytest

from runner.blocks import gzip_part
from runner.blocks.bytefile import open_local
from runner.blocks.errors import ImageRefused, ShortRead
from runner.blocks.gzip_part import GzipPart

MIB = 1024 * 1024


def part(path, packed: bytes) -> GzipPart:
    path.write_bytes(packed)
    return GzipPart(open_local(str(path)))


def content_of(size: int, seed: int = 1) -> bytes:
    """Half of it can be compressed."""
    rng = random.Random(seed)
    return b"".join(rng.randbytes(32768) + bytes([rng.randrange(256)]) * 32768 for _ in range(-(-size // 65536)))[:size]


def read(file: GzipPart, offset: int, length: int) -> bytes:
    buffer = bytearray(length)
    file.read_into(offset, memoryview(buffer))
    return bytes(buffer)


@pytest.mark.parametrize("size", [0, 1, 5, MIB - 1, MIB, MIB + 1, 3 * MIB])
def test_all_sizes_are_read_whole(tmp_path, size):
    content = content_of(size)
    file = part(tmp_path / "x.gz", gzip.compress(content, 1))
    assert file.size == size
    assert read(file, 0, size) == content
    with pytest.raises(ShortRead):
        read(file, size, 1)
    file.close()


def test_several_streams_are_one_file(tmp_path):
    content = content_of(3 * MIB)
    packed = gzip.compress(content[:MIB], 1) + gzip.compress(b"") + gzip.compress(content[MIB:], 1)
    file = part(tmp_path / "x.gz", packed)
    assert read(file, 0, file.size) == content


def test_any_order_reads_the_same(tmp_path, monkeypatch):
    """With few pieces kept and few states saved, most reads begin at a state far before."""
    monkeypatch.setattr(gzip_part, "_KEPT", 2)
    monkeypatch.setattr(gzip_part, "_MAX_STATES", 3)
    monkeypatch.setattr(gzip_part, "_FIRST_STEP", 1)
    monkeypatch.setattr(gzip_part, "_PIECE", 65536)
    content = content_of(4 * MIB)
    file = part(tmp_path / "x.gz", gzip.compress(content, 1))
    rng = random.Random(5)
    for _ in range(30):
        offset = rng.randrange(len(content))
        length = min(rng.randrange(1, 200_000), len(content) - offset)
        assert read(file, offset, length) == content[offset : offset + length]


def damaged(packed: bytes, at: int) -> bytes:
    return packed[:at] + bytes([packed[at] ^ 0x55]) + packed[at + 1 :]


GOOD = gzip.compress(content_of(100_000), 1)


@pytest.mark.parametrize(
    "packed",
    [
        b"",
        b"no gzip at all",
        GOOD[:-1],
        GOOD[:5],
        GOOD[: len(GOOD) // 2],
        damaged(GOOD, len(GOOD) - 8),
        damaged(GOOD, len(GOOD) - 1),
        damaged(GOOD, len(GOOD) // 2),
        GOOD + b"behind it",
        GOOD + bytes(512),
    ],
    ids=["empty", "none", "cut by 1", "header", "half", "checksum", "length", "data", "more", "zeroes"],
)
def test_what_is_damaged_is_refused_when_it_is_opened(tmp_path, packed):
    with pytest.raises(ImageRefused) as caught:
        part(tmp_path / "x.gz", packed)
    assert caught.value.field == "gzip"


@pytest.mark.thorough
def test_a_bomb_is_refused_early_and_in_little_memory(tmp_path):
    """200 MiB of zeroes, told by 200 KiB: gzip'ed with the trailer of one that is larger still."""
    bomb = gzip.compress(bytes(200 * MIB), 9)[:-4] + struct.pack("<I", 1 << 31)
    tracemalloc.start()
    try:
        with pytest.raises(ImageRefused, match="250 times") as caught:
            part(tmp_path / "x.gz", bomb)
        assert tracemalloc.get_traced_memory()[1] < 24 * MIB
    finally:
        tracemalloc.stop()
    assert caught.value.field == "compression"
