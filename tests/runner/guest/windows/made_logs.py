"""Transaction logs made for tests, as the regf format specification lays them out, from a hive before and after."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

from runner.guest.windows.marvin import marvin32
from tests.runner.guest.windows import made_hives

PAGE = 4096


def bins_of(hive: bytes) -> int:
    """The size of the bins that the base block says."""
    (size,) = struct.unpack_from("<I", hive, 40)
    return int(size)


def changed(before: bytes, after: bytes, step: int = PAGE) -> dict[int, bytes]:
    """The pages that differ, by their place in the bins."""
    places = range(0, bins_of(after), step)
    pages = {at: after[4096 + at : 4096 + at + step] for at in places}
    return {at: page for at, page in pages.items() if page != before[4096 + at : 4096 + at + step]}


def base_of(hive: bytes, kind: int, primary: int, secondary: int, bins: int) -> bytes:
    """The sector that a log begins with: the hive's base block under another type and numbers."""
    head = hive[:4] + struct.pack("<II", primary, secondary) + hive[12:28] + struct.pack("<I", kind)
    head += hive[32:40] + struct.pack("<I", bins) + hive[44:512]
    return made_hives.sealed(head)


def entry(sequence: int, bins: int, pages: Mapping[int, bytes], flags: int = 0) -> bytes:
    """An entry of a new log."""
    body = b"".join(struct.pack("<II", at, len(page)) for at, page in pages.items()) + b"".join(pages.values())
    size = -(-(40 + len(body)) // 512) * 512
    body = body.ljust(size - 40, b"\0")
    head = b"HvLE" + struct.pack("<IIIII", size, flags, sequence, bins, len(pages)) + marvin32(body)
    return head + marvin32(head) + body


def new_log(hive: bytes, sequence: int, entries: Sequence[bytes], bins: int | None = None) -> bytes:
    """A log of Windows 8.1 and later, whose first entry has the number `sequence`."""
    bins = bins_of(hive) if bins is None else bins
    return base_of(hive, 6, sequence, sequence, bins) + b"".join(entries) + bytes(1024)


def old_log(before: bytes, after: bytes, sequence: int) -> bytes:
    """A log of Windows up to 8: the pages of 512 bytes that differ, after a bitmap of them."""
    bins = bins_of(after)
    pages = changed(before, after, 512)
    bits = bytearray(bins // 512 // 8)
    for at in pages:
        bits[at // 512 // 8] |= 1 << at // 512 % 8
    vector = b"DIRT" + bytes(bits)
    vector = vector.ljust(-(-len(vector) // 512) * 512, b"\0")
    return base_of(before, 1, sequence, sequence, bins) + vector + b"".join(pages.values())
