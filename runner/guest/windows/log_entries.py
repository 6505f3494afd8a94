"""Transaction logs of Windows 8.1 and later: entries of whole pages, numbered, each under two hashes. Pure.

Source: the regf format specification (M. Suhanov), "Log entries" and "Multiple transaction log files".
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from runner.guest.windows.marvin import marvin32
from runner.guest.windows.refusals import HiveBroken
from runner.guest.windows.regf import BASE, MOST_HIVE, PAGE, SECTOR, BaseBlock, base_block

_HEADER = struct.Struct("<4sIIIII8s8s")
_REFERENCE = struct.Struct("<II")
_REORGANIZED = 1  # the one bit of a base block's flags (at byte 144) that an entry carries


@dataclass(frozen=True)
class Entry:
    """One entry: what the hive's pages become, and the bins' size after it."""

    sequence: int
    flags: int
    bins: int
    pages: tuple[tuple[int, memoryview], ...]


@dataclass(frozen=True)
class Log:
    """A log with its base block and its entries, so far as they count up by one and their hashes hold."""

    name: str
    block: BaseBlock
    entries: tuple[Entry, ...]

    @property
    def last(self) -> int:
        """The number of its last entry."""
        return self.entries[-1].sequence


def read(name: str, data: bytes) -> Log:
    """The entries of a log. Raises `HiveBroken` when a good entry follows a broken one: that is no torn last write."""
    block = base_block(data)
    reader = _Reader(name, data)
    entries: list[Entry] = []
    at = SECTOR
    while (found := reader.entry_at(at)) is not None:
        entry, size = found
        if entry.sequence != block.primary + len(entries):
            break  # an older entry, which this round of the log has not yet overwritten
        entries.append(entry)
        at += size
    wanted = block.primary + len(entries)
    for sector in range(at, len(data), SECTOR):
        if not data.startswith(b"HvLE", sector) or len(data) - sector < _HEADER.size:
            continue
        if _HEADER.unpack_from(data, sector)[3] >= wanted and reader.entry_at(sector) is not None:
            raise HiveBroken(name, f"entry {wanted} of its log is broken, and later ones are not")
    return Log(name, block, tuple(entries))


class _Reader:
    """Entries at places of a log. Those of Windows do not overlap, so each byte is hashed once, and at most twice.

    Without that bound a made log with an entry in each sector, as long as what remains, would take days.
    """

    def __init__(self, name: str, data: bytes) -> None:
        self._name = name
        self._view = memoryview(data)
        self._left = 2 * len(data)

    def entry_at(self, at: int) -> tuple[Entry, int] | None:
        """The entry at a byte and its size, None when there is none or a hash or a number is wrong.

        Raises `HiveBroken` when more is to be hashed than a log of Windows has.
        """
        view = self._view
        if len(view) - at < _HEADER.size:
            return None
        mark, size, flags, sequence, bins, count, first, second = _HEADER.unpack_from(view, at)
        if mark != b"HvLE" or size % SECTOR or size < _HEADER.size + count * _REFERENCE.size or size > len(view) - at:
            return None
        if bins % PAGE or not 0 < bins <= MOST_HIVE:
            return None
        if marvin32(view[at : at + 32]) != second:
            return None
        self._left -= size
        if self._left < 0:
            raise HiveBroken(self._name, "the entries of its log overlap, which those of Windows do not")
        if marvin32(view[at + _HEADER.size : at + size]) != first:
            return None
        pages = []
        content = at + _HEADER.size + count * _REFERENCE.size
        for offset, length in _REFERENCE.iter_unpack(view[at + _HEADER.size : content]):
            if offset + length > bins or content + length > at + size:
                return None
            pages.append((offset, view[content : content + length]))
            content += length
        return Entry(sequence, flags, bins, tuple(pages)), size


def in_order(hive: BaseBlock, logs: Sequence[Log], name: str) -> list[Entry]:
    """The entries that a dirty hive lacks, in the order they were written, over all its logs.

    A log older than the hive is left out. Raises `HiveBroken` when entries are missing: the hive may then hold pages of
    a later state than the first entry at hand (Windows writes pages before it renews the base block), and only the
    whole row of entries makes it consistent again.
    """
    logs = sorted(
        (log for log in logs if log.block.primary >= hive.secondary and log.entries),
        key=lambda log: log.entries[0].sequence,
    )
    if not logs:
        raise HiveBroken(name, "its last write was not finished, and no log holds it")
    if len(logs) == 1 and logs[0].entries[0].sequence > hive.primary:
        raise HiveBroken(name, f"the log before entry {logs[0].entries[0].sequence} is missing")
    for earlier, later in zip(logs, logs[1:], strict=False):
        if later.entries[0].sequence != earlier.last + 1:
            raise HiveBroken(name, f"between its logs the entries {earlier.last + 1} and later are missing")
    return [entry for log in logs for entry in log.entries]


def apply(hive: bytearray, entries: Sequence[Entry]) -> None:
    """Write the entries' pages into the hive, which grows as they say."""
    for entry in entries:
        missing = BASE + entry.bins - len(hive)
        if missing > 0:
            hive.extend(bytes(missing))
        for offset, page in entry.pages:
            hive[BASE + offset : BASE + offset + len(page)] = page
        flags = struct.unpack_from("<I", hive, 144)[0] & ~_REORGANIZED | entry.flags & _REORGANIZED
        struct.pack_into("<I", hive, 144, flags)
