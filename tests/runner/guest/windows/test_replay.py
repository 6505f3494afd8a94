"""Dirty hives and their logs. A replay must give the hive that hivex wrote; a second reader replays beside us."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pytest
from regipy.recovery import apply_transaction_logs
from Registry.RegistryLog import RegistryLog

from runner.guest.windows.marvin import marvin32
from runner.guest.windows.refusals import HiveBroken
from runner.guest.windows.replay import ready
from tests.runner.guest.windows import made_hives, made_logs

WRITTEN = 0x01D9_0000_0000_0001


@dataclass(frozen=True)
class History:
    """A hive at three times, each one larger than the last, and the last two as entries of a log."""

    first: bytes
    second: bytes
    third: bytes

    @property
    def dirty(self) -> bytes:
        """The first hive as an unfinished write leaves it."""
        return made_hives.renumbered(self.first, 8, 7, WRITTEN)

    def entry(self, sequence: int, before: bytes, after: bytes) -> bytes:
        # The last page first, so that the hive has to be as large as the entry says before any is written.
        pages = dict(reversed(made_logs.changed(before, after).items()))
        return made_logs.entry(sequence, made_logs.bins_of(after), pages, flags=1)

    def entry_of(self, bins: int, pages: dict[int, bytes]) -> bytes:
        return made_logs.new_log(self.dirty, 7, [made_logs.entry(7, bins, pages)])

    def log1(self, sequence: int = 7) -> bytes:
        return made_logs.new_log(self.dirty, sequence, [self.entry(sequence, self.first, self.second)])

    def log2(self, sequence: int = 8) -> bytes:
        return made_logs.new_log(self.dirty, sequence, [self.entry(sequence, self.second, self.third)])

    def one_log(self) -> bytes:
        pair = [self.entry(7, self.first, self.second), self.entry(8, self.second, self.third)]
        return made_logs.new_log(self.dirty, 7, pair)

    def old_log(self) -> bytes:
        return made_logs.old_log(self.dirty, self.third, 8)


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> History:
    root = tmp_path_factory.mktemp("hives")
    tree = dict(made_hives.system_tree(made_hives.WINDOWS_2019))
    first = made_hives.make(root / "first", tree).read_bytes()
    tree["ControlSet001\\Services\\later"] = {"Blob": (3, bytes(range(256)) * 20)}
    second = made_hives.make(root / "second", tree).read_bytes()
    tree["ControlSet001\\Services\\last"] = {"Blob": (3, bytes(range(255, -1, -1)) * 20)}
    return History(first, second, made_hives.make(root / "third", tree).read_bytes())


def bins(hive: bytes) -> bytes:
    return hive[4096 : 4096 + made_logs.bins_of(hive)]


def test_a_history_grows(history: History) -> None:
    sizes = [made_logs.bins_of(hive) for hive in (history.first, history.second, history.third)]
    assert sizes[0] < sizes[1] < sizes[2]


def test_a_clean_hive_is_left_as_it_is(history: History) -> None:
    # Windows ignores the logs of a clean hive, whatever they hold.
    assert ready(history.first, history.log1(), history.log2()) is history.first


@pytest.mark.parametrize("swapped", [False, True])
def test_both_logs_are_replayed_in_the_order_of_their_numbers(history: History, swapped: bool) -> None:
    logs = [history.log1(), history.log2()]
    whole = ready(history.dirty, *(reversed(logs) if swapped else logs))
    assert bins(whole) == bins(history.third)
    # Equal, and beyond the last entry's 8: no log is ever applied to this hive again.
    assert struct.unpack_from("<II", whole, 4) == (9, 9)
    assert whole[:4096] == made_hives.sealed(whole[:4096])
    assert struct.unpack_from("<I", whole, 144) == (1,)  # the bit of the entries' flags


@pytest.mark.thorough
def test_as_python_registry_replays_them(history: History) -> None:
    beside = BytesIO(history.dirty)
    assert RegistryLog(beside, BytesIO(history.log1())).recover_hive() == 7
    beside.seek(0)
    assert RegistryLog(beside, BytesIO(history.log2())).recover_hive_continue(8) == 8
    assert bins(ready(history.dirty, history.log1(), history.log2())) == bins(beside.getvalue())


def test_a_log_with_two_entries(history: History) -> None:
    assert bins(ready(history.dirty, history.one_log(), None)) == bins(history.third)


def test_a_log_that_is_older_than_the_hive_is_left_out(history: History) -> None:
    stale = made_logs.new_log(history.dirty, 3, [history.entry(3, history.third, history.first)])
    assert bins(ready(history.dirty, stale, history.one_log())) == bins(history.third)


def test_entries_that_overlap_are_not_hashed_without_end(history: History) -> None:
    # An entry in every sector, each as long as what remains: a log of 128 MiB would be hashed for years.
    log = bytearray(made_logs.new_log(history.dirty, 7, [bytes(1 << 14)]))
    for at in range(512, len(log), 512):
        head = struct.pack("<4sIIIII8s", b"HvLE", len(log) - at, 0, 200, 4096, 0, bytes(8))
        log[at : at + 40] = head + marvin32(head)
    with pytest.raises(HiveBroken, match="overlap"):
        ready(history.dirty, bytes(log), None)


def test_an_empty_log_is_none(history: History) -> None:
    assert bins(ready(history.dirty, history.one_log(), bytes(4096))) == bins(history.third)
    assert bins(ready(history.dirty, b"", history.one_log())) == bins(history.third)


def test_entries_of_an_earlier_round_behind_the_last_are_left_out(history: History) -> None:
    log = made_logs.new_log(
        history.dirty,
        7,
        [history.entry(7, history.first, history.second), history.entry(4, history.third, history.first)],
    )
    assert bins(ready(history.dirty, log, None)) == bins(history.second)


def test_a_torn_last_entry_is_left_out_as_windows_does(history: History) -> None:
    torn = bytearray(history.one_log())
    torn[-1100] ^= 1
    assert bins(ready(history.dirty, bytes(torn), None)) == bins(history.second)


def test_an_old_log_is_replayed(history: History) -> None:
    whole = ready(history.dirty, history.old_log(), None)
    assert bins(whole) == bins(history.third)
    assert struct.unpack_from("<II", whole, 4) == (9, 9)
    assert whole[:4096] == made_hives.sealed(whole[:4096])


@pytest.mark.thorough
def test_an_old_log_as_regipy_replays_it(history: History, tmp_path: Path) -> None:
    after = bytearray(history.first)
    after[5000:5600] = bytes(600)  # the same size: regipy does not let a hive grow
    log = made_logs.old_log(history.dirty, bytes(after), 8)
    (tmp_path / "hive").write_bytes(history.dirty)
    (tmp_path / "log").write_bytes(log)
    apply_transaction_logs(str(tmp_path / "hive"), str(tmp_path / "log"), restored_hive_path=str(tmp_path / "out"))
    assert bins(ready(history.dirty, log, None)) == bins((tmp_path / "out").read_bytes()) == bins(bytes(after))


def test_an_old_log_whose_list_of_pages_is_longer_than_a_sector(history: History) -> None:
    # 512 bytes of list are 2 MiB of bins; the pages begin on the sector after it.
    before, after = (made_hives.widened(hive, 3 << 20) for hive in (history.dirty, history.third))
    assert bins(ready(before, made_logs.old_log(before, after, 8), None)) == bins(after)


def test_the_second_old_log_is_taken_when_the_first_is_of_another_time(history: History) -> None:
    other = made_logs.old_log(made_hives.renumbered(history.first, 6, 5, WRITTEN - 1), history.second, 6)
    assert bins(ready(history.dirty, other, history.old_log())) == bins(history.third)


def altered(content: bytes, at: int, patch: bytes, seal: bool = False) -> bytes:
    changed = content[:at] + patch + content[at + len(patch) :]
    return made_hives.sealed(changed) if seal else changed


REFUSED: dict[str, tuple[Callable[[History], tuple[bytes, bytes | None, bytes | None]], str]] = {
    "no log": (lambda h: (h.dirty, None, None), "no transaction log"),
    "logs of zeroes": (lambda h: (h.dirty, bytes(4096), bytes(4096)), "no transaction log"),
    "a damaged log": (lambda h: (h.dirty, altered(h.log1(), 60, b"x"), h.log2()), "damaged transaction log"),
    "a log in the middle of its first write": (
        lambda h: (h.dirty, altered(h.one_log(), 4, b"\x09", seal=True), None),
        "damaged transaction log",
    ),
    "a short log": (lambda h: (h.dirty, h.log1()[:200], None), "damaged transaction log"),
    "entries missing between the logs": (lambda h: (h.dirty, h.log1(), h.log2(10)), "entries 8 and later are missing"),
    "the earlier log missing": (lambda h: (h.dirty, None, h.log2(10)), "the log before entry 10 is missing"),
    "a broken entry before a good one": (
        lambda h: (h.dirty, altered(h.one_log(), 512 + 60, b"\xff\xfe"), None),
        "entry 7 of its log is broken",
    ),
    "an entry that is no page's multiple": (lambda h: (h.dirty, h.entry_of(8191, {}), None), "no log holds it"),
    "an entry with pages beyond its end": (
        lambda h: (h.dirty, h.entry_of(8192, {8192: bytes(512)}), None),
        "no log holds it",
    ),
    "entries that break the hive": (
        lambda h: (h.dirty, h.entry_of(8192, {0: bytes(512)}), None),
        "no bin at byte 4096",
    ),
    "logs all older": (lambda h: (made_hives.renumbered(h.first, 30, 29), h.log1(), h.log2()), "no log holds it"),
    "an old log of another time": (
        lambda h: (made_hives.renumbered(h.first, 8, 7, WRITTEN + 1), h.old_log(), None),
        "of another time",
    ),
    "an old log that ends early": (lambda h: (h.dirty, h.old_log()[:-512], None), "ends before the last"),
    "an old log without its list": (
        lambda h: (h.dirty, altered(h.old_log(), 512, b"DURT"), None),
        "list of dirty pages",
    ),
    "a wrong checksum": (lambda h: (altered(h.first, 508, b"\0\0\0\0"), None, None), "base block is damaged"),
    "no hive": (lambda h: (b"MZ" * 9000, None, None), "base block is damaged"),
    "an empty file": (lambda h: (b"", None, None), "base block is damaged"),
    "a log in place of the hive": (lambda h: (h.log1(), None, None), "base block is damaged"),
    "a hive cut short": (lambda h: (h.first[:-4096], None, None), "bytes of bins, and the file has"),
    "no bin where one must be": (lambda h: (altered(h.first, 4096, b"nibh"), None, None), "no bin at byte 4096"),
    "a bin of another place": (lambda h: (altered(h.first, 4100, b"\0\x10"), None, None), "no bin at byte 4096"),
    "a bin of no size": (lambda h: (altered(h.first, 4104, b"\0\0"), None, None), "no bin at byte 4096"),
    "no root": (lambda h: (altered(h.first, 36, b"\x28", seal=True), None, None), "no root key"),
    "a root behind the bins": (
        lambda h: (made_hives.rooted(h.first + b"\0\0\0\0nk" + bytes(120), len(h.first) - 4096), None, None),
        "no root key",
    ),
    "a root beyond the end": (lambda h: (altered(h.first, 39, b"\x7f", seal=True), None, None), "no root key"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(history: History, case: str) -> None:
    make, said = REFUSED[case]
    with pytest.raises(HiveBroken, match=said) as refusal:
        ready(*make(history), "SOFTWARE")
    assert refusal.value.exit_code == 3
    assert "SOFTWARE" in refusal.value.sentence
