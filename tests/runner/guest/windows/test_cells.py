"""What hangs on a hive's root: whole hives pass, and each record that is not what it must be is refused by its place.

Places within records are those of the regf format specification: a key's fields, a value's, a list's.
"""

from __future__ import annotations

import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from runner.guest.windows import cells
from runner.guest.windows.refusals import HiveBroken
from tests.runner.guest.windows import made_hives

ROOT = 4096 + 32  # the root key's cell in an empty hive
NOT_IN_USE = "is named by a key, but it is not in use"


def at_cell(hive: bytes, offset: int) -> int:
    """Where the content of the cell lies that a record names."""
    return 4096 + offset + 4


def word(hive: bytes, at: int) -> int:
    (value,) = struct.unpack_from("<I", hive, at)
    return int(value)


def patched(hive: bytes, at: int, patch: bytes) -> bytes:
    return hive[:at] + patch + hive[at + len(patch) :]


@pytest.fixture(scope="module")
def hive(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A root with one key that has one value of 8 bytes."""
    path = tmp_path_factory.mktemp("cells") / "SYSTEM"
    return made_hives.make(path, {"Key": {"Value": (3, b"12345678")}}).read_bytes()


def children(hive: bytes) -> int:
    """Where the root's list of subkeys lies."""
    return at_cell(hive, word(hive, ROOT + 4 + 28))


def key(hive: bytes) -> int:
    return at_cell(hive, word(hive, children(hive) + 4))


def values(hive: bytes) -> int:
    return at_cell(hive, word(hive, key(hive) + 40))


def value(hive: bytes) -> int:
    return at_cell(hive, word(hive, values(hive)))


def security(hive: bytes) -> int:
    return at_cell(hive, word(hive, ROOT + 4 + 44))


def test_a_whole_hive(hive: bytes) -> None:
    cells.check(made_hives.empty(), "SYSTEM")
    cells.check(hive, "SYSTEM")


@pytest.mark.parametrize("release", made_hives.EVERY)
def test_whole_hives_of_windows(release: str, tmp_path: Path) -> None:
    cells.check(made_hives.system(tmp_path / "SYSTEM", made_hives.EVERY[release]).read_bytes(), "SYSTEM")


Place = Callable[[bytes], int]
LE = "little"
BROKEN: dict[str, tuple[Place, bytes, str]] = {
    "a cell of no size": (lambda h: ROOT, bytes(4), "does not fit its bin"),
    "a cell of an odd size": (lambda h: ROOT, (-108).to_bytes(4, LE, signed=True), "does not fit its bin"),
    "a cell beyond its bin": (lambda h: ROOT, (-8192).to_bytes(4, LE, signed=True), "does not fit its bin"),
    "a root that is no key": (lambda h: ROOT + 4, b"xx", "is no key"),
    "a name beyond the key": (lambda h: ROOT + 4 + 72, b"\xff\xff", "whose name goes beyond it"),
    "a class that is nowhere": (lambda h: ROOT + 4 + 48, bytes(4), NOT_IN_USE),
    "a list of subkeys that is nowhere": (lambda h: ROOT + 4 + 28, bytes(4), NOT_IN_USE),
    "a list of subkeys that is the key": (lambda h: ROOT + 4 + 28, b"\x20\0\0\0", "is used twice"),
    "more subkeys than are listed": (lambda h: ROOT + 4 + 20, b"\2", "counts 2 subkeys and lists 1"),
    "a list that says more than it has": (lambda h: children(h) + 2, b"\xff", "is no list of subkeys"),
    "a list of an unknown kind": (lambda h: children(h), b"xx", "is no list of subkeys"),
    "a key of another parent": (lambda h: key(h) + 16, b"\x28", "is no key"),
    "a key below itself": (lambda h: children(h) + 4, b"\x20\0\0\0", "is used twice"),
    "security that is a key": (lambda h: ROOT + 4 + 44, b"\x20\0\0\0", "is no security record"),
    "security before one that is a key": (lambda h: security(h) + 4, b"\x20\0\0\0", "is no security record"),
    "security behind one that is a key": (lambda h: security(h) + 8, b"\x20\0\0\0", "is no security record"),
    "more values than the list has room for": (lambda h: key(h) + 36, b"\xff", "where 1020 are said to be"),
    "a value that is none": (lambda h: value(h), b"xx", "is no value"),
    "a value whose name goes beyond it": (lambda h: value(h) + 2, b"\xff\xff", "is no value"),
    "data that is nowhere": (lambda h: value(h) + 8, bytes(4), NOT_IN_USE),
    "data longer than its cell": (lambda h: value(h) + 4, b"\xff\x00", "where 255 are said to be"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken(case: str, hive: bytes) -> None:
    place, patch, said = BROKEN[case]
    with pytest.raises(HiveBroken, match=said):
        cells.check(patched(hive, place(hive), patch), "SYSTEM")


def test_a_value_in_too_few_segments(tmp_path: Path) -> None:
    data = b"db" + struct.pack("<HI", 1, 32) + bytes(20000)
    hive = made_hives.make(tmp_path / "SYSTEM", {"Key": {"Long": (3, data)}}).read_bytes()
    with pytest.raises(HiveBroken, match="20008 bytes in 1 segments"):
        cells.check(hive, "SYSTEM")


def test_no_cell_is_copied_to_be_looked_at(tmp_path: Path) -> None:
    # A record of 24 bytes may name a cell of megabytes: copied each time, a small hive would take hours.
    hive = made_hives.make(tmp_path / "SYSTEM", {"Key": {"Long": (3, bytes(1 << 19))}}).read_bytes()
    tracemalloc.start()
    try:
        cells.check(hive, "SYSTEM")
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 1 << 17


def test_lists_in_lists_in_lists(tmp_path: Path) -> None:
    # An index root leads to lists of keys, never to another index root; nested ones could be without end.
    inner = struct.pack("<2sHI", b"ri", 1, 0).ljust(16, b"\0")
    hive = made_hives.make(tmp_path / "SYSTEM", {"Key": {"Inner": (3, inner)}}).read_bytes()
    data = word(hive, value(hive) + 8)
    with pytest.raises(HiveBroken, match="is no list of subkeys"):
        cells.check(patched(hive, children(hive), struct.pack("<2sHI", b"ri", 1, data)), "SYSTEM")


@pytest.mark.thorough
def test_keys_deeper_than_windows_nests_them(tmp_path: Path) -> None:
    # Windows: "Registry element size limits", a tree has 512 levels at most.
    cells.check(made_hives.make(tmp_path / "fits", {"\\".join(["k"] * 512): {}}).read_bytes(), "SYSTEM")
    with pytest.raises(HiveBroken, match="is no key"):
        cells.check(made_hives.make(tmp_path / "deep", {"\\".join(["k"] * 513): {}}).read_bytes(), "SYSTEM")


def test_a_key_that_says_it_has_no_class_but_a_length_of_one(hive: bytes) -> None:
    cells.check(patched(hive, ROOT + 4 + 74, b"\xff"), "SYSTEM")
