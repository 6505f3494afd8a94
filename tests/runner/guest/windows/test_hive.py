"""Hives through hivex: names without case, values as they are kept, changes read back, refusals that say which key."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.guest.windows.changes import (
    Change,
    DropKey,
    DropValue,
    binary,
    dword,
    expand_sz,
    line,
    multi_sz,
    none,
    sz,
)
from runner.guest.windows.hive import Hive, apply
from runner.guest.windows.refusals import HiveBroken
from tests.runner.guest.windows import made_hives

WHY = "because"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    tree: made_hives.Tree = {
        "Select": {"Current": 2, "Default": 1},
        "ControlSet002\\Services\\Disk": {"": "disk", "Start": 3, "Path": (2, "%A%\\b"), "List": ("one", "two")},
        "ControlSet002\\Services\\Disk\\Enum\\0": {"Blob": (3, b"\1\2\3")},
        "Odd": {"Short": (4, b"\1"), "Big": (5, b"\0\0\1\0"), "Long": (11, (7).to_bytes(8, "little"))},
    }
    return made_hives.make(tmp_path / "SYSTEM", tree)


def test_names_are_compared_without_case(path: Path) -> None:
    hive = Hive(path)
    key = ("CONTROLSET002", "services", "DISK")
    assert hive.has(key)
    assert hive.number(key, "START") == 3
    assert hive.text(key, "path") == "%A%\\b"
    assert hive.keys(key) == ("Enum",)
    list_ = hive.value(key, "list")
    assert list_ is not None
    assert list_.texts == ("one", "two")


def test_what_is_not_there(path: Path) -> None:
    hive = Hive(path)
    assert not hive.has(("ControlSet002", "nothing", "below"))
    assert hive.keys(("nothing",)) == hive.values(("nothing",)) == ()
    assert hive.text(("Select",), "nothing") == ""
    assert hive.number(("nothing",), "nothing") is None


def test_a_number_is_one_by_its_kind_and_size(path: Path) -> None:
    hive = Hive(path)
    assert [hive.number(("Odd",), name) for name in ("Short", "Big", "Long")] == [None, 256, 7]


def test_the_control_set_is_that_of_current(path: Path) -> None:
    assert Hive(path).current_control_set() == "ControlSet002"


@pytest.mark.parametrize("current", [1, 0, (1, "ControlSet002"), (4, b"")])
def test_a_control_set_that_is_not_there_is_refused(tmp_path: Path, current: object) -> None:
    path = made_hives.make(tmp_path / "SYSTEM", {"Select": {"Current": current}, "ControlSet002": {}})
    with pytest.raises(HiveBroken, match="Select.Current"):
        Hive(path).current_control_set()


DISK = ("ControlSet002", "Services", "disk")
CHANGES: tuple[Change, ...] = (
    dword(DISK, "start", 0, WHY),
    sz(DISK, "", "other", WHY),
    expand_sz(("New", "Key"), "Path", "%SystemRoot%", WHY),
    multi_sz(("New", "Key"), "Names", ("a", "bc"), WHY),
    binary(("New",), "Bytes", b"\xff", WHY),
    none(("New",), "There", WHY),
    DropValue(DISK, "LIST", WHY),
    DropKey((*DISK, "enum"), WHY),
)


def test_changes_are_made_once_and_nothing_else_is_lost(path: Path) -> None:
    assert apply(path, CHANGES) == CHANGES
    assert apply(path, CHANGES) == ()
    hive = Hive(path)
    assert {value.name: (value.kind, value.data) for value in hive.values(DISK)} == {
        "": (1, "other\0".encode("utf-16-le")),
        "start": (4, bytes(4)),
        "Path": (2, "%A%\\b\0".encode("utf-16-le")),
    }
    assert not hive.has((*DISK, "Enum"))
    assert {value.name: (value.kind, value.data) for value in hive.values(("New", "Key"))} == {
        "Path": (2, "%SystemRoot%\0".encode("utf-16-le")),
        "Names": (7, "a\0bc\0\0".encode("utf-16-le")),
    }
    assert hive.number(("Select",), "Default") == 1


def test_a_change_below_a_key_that_an_earlier_one_removes(path: Path) -> None:
    both = (DropKey((*DISK, "Enum"), WHY), DropValue((*DISK, "Enum", "0"), "Blob", WHY))
    assert apply(path, both) == both
    assert not Hive(path).has((*DISK, "Enum"))


def test_a_value_of_another_kind_is_another_value(path: Path) -> None:
    change = expand_sz(("ControlSet002", "Services", "Disk"), "", "disk", WHY)  # a REG_SZ with the same bytes
    assert apply(path, (change,)) == (change,)


def test_without_changes_the_file_is_not_written(path: Path) -> None:
    before = path.stat().st_mtime_ns
    assert apply(path, (dword(DISK, "Start", 3, WHY), DropKey(("None",), WHY))) == ()
    assert path.stat().st_mtime_ns == before


def test_changes_that_undo_one_another_are_noticed(path: Path) -> None:
    with pytest.raises(HiveBroken, match="1 of 2 changes"):
        apply(path, (dword(DISK, "Start", 0, WHY), dword(DISK, "Start", 1, WHY)))


def test_a_key_with_a_value_in_segments_is_not_written_anew(tmp_path: Path) -> None:
    path = made_hives.make(tmp_path / "SYSTEM", {"Key": {"Long": (3, bytes(20000))}})
    before = path.read_bytes()
    with pytest.raises(HiveBroken, match="Key has a value too long"):
        apply(path, (dword(("Key",), "New", 1, WHY),))
    assert path.read_bytes() == before


# python3-hivex's own destructor stumbles over a constructor that failed.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_what_is_no_hive_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "SOFTWARE"
    path.write_bytes(b"MZ" * 5000)
    with pytest.raises(HiveBroken, match="SOFTWARE of the guest"):
        Hive(path, "SOFTWARE")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (dword(("A", "B"), "Start", 4, WHY), "A\\B\\Start = REG_DWORD 0x4"),
        (sz(("A",), "", "text", WHY), "A\\(default) = REG_SZ 'text'"),
        (multi_sz(("A",), "L", ("x", "y"), WHY), "A\\L = REG_MULTI_SZ 'x; y'"),
        (binary(("A",), "B", bytes(20), WHY), "A\\B = REG_BINARY 00000000000000000000000000000000..."),
        (DropValue(("A",), "B", WHY), "A\\B removed"),
        (DropKey(("A", "B"), WHY), "A\\B\\ removed"),
    ],
)
def test_lines_of_the_record(change: Change, told: str) -> None:
    assert line(change) == told
