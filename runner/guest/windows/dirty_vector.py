"""Transaction logs before Windows 8.1: a bitmap of dirty pages of 512 bytes, and these pages. Pure.

Source: the regf format specification (M. Suhanov), "Old format".
"""

from __future__ import annotations

import struct

from runner.guest.windows.refusals import HiveBroken
from runner.guest.windows.regf import BASE, MOST_HIVE, OLD_LOGS, PAGE, SECTOR, BaseBlock, base_block

_MARK = b"DIRT"


def applies(hive: BaseBlock, log: bytes) -> bool:
    """Whether a log is the one of the hive's last, unfinished write: whole, and of the same time."""
    block = base_block(log)
    return block.valid and block.even and block.kind in OLD_LOGS and block.written == hive.written


def apply(hive: bytearray, log: bytes, name: str) -> int:
    """Write the log's pages into the hive, which grows as the log says; returns the bins' bytes after it.

    Raises `HiveBroken`; the hive is then half-written and to be thrown away.
    """
    block = base_block(log)
    at = SECTOR * (block.clustering if block.clustering in (1, 8) else 1)
    bits = block.bins // SECTOR
    if block.bins % PAGE or not 0 < block.bins <= MOST_HIVE or block.root != base_block(hive).root:
        raise HiveBroken(name, "the base block of its log names other bins than its own")
    vector = log[at + len(_MARK) : at + len(_MARK) + bits // 8]
    if log[at : at + len(_MARK)] != _MARK or len(vector) < bits // 8:
        raise HiveBroken(name, "its log has no whole list of dirty pages")
    pages = _aligned(at + len(_MARK) + bits // 8, at)
    if BASE + block.bins > len(hive):
        hive.extend(bytes(BASE + block.bins - len(hive)))
    for number in _set_bits(vector):
        page = log[pages : pages + SECTOR]
        if len(page) < SECTOR:
            raise HiveBroken(name, "its log ends before the last of its dirty pages")
        hive[BASE + number * SECTOR : BASE + (number + 1) * SECTOR] = page
        pages += SECTOR
    struct.pack_into("<I", hive, 40, block.bins)
    return block.bins


def _aligned(value: int, step: int) -> int:
    return -(-value // step) * step


def _set_bits(vector: bytes) -> list[int]:
    return [index * 8 + bit for index, byte in enumerate(vector) if byte for bit in range(8) if byte >> bit & 1]
