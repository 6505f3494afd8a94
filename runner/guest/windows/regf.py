"""The frame of a registry hive file: its base block and its bins. Pure: bytes in, facts or a refusal out.

Source: the regf format specification (M. Suhanov), "Base block" and "Hive bin". All numbers are little-endian.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from runner.guest.windows.refusals import HiveBroken

BASE = 4096  # bytes of the base block, before the bins
SECTOR = 512
PAGE = 4096  # bins are whole pages
PRIMARY = 0  # the type of the hive itself; its logs have others
NEW_LOG = 6
OLD_LOGS = (1, 2)
# A SYSTEM hive has about 15 MB, a busy server's SOFTWARE hive 200; beyond this nothing is read into memory.
MOST_HIVE = 512 << 20
MOST_LOG = 128 << 20


@dataclass(frozen=True)
class BaseBlock:
    """The fields of a base block that recovery looks at. `written` is a FILETIME, `bins` the bins' bytes.

    `valid` says that the signature, the version and the checksum are right.
    """

    primary: int
    secondary: int
    written: int
    kind: int
    root: int
    bins: int
    clustering: int
    valid: bool

    @property
    def even(self) -> bool:
        """Whether the last write to this file was finished."""
        return self.primary == self.secondary


def checksum(block: bytes | bytearray | memoryview) -> int:
    """The checksum of a base block: its first 127 words, exclusive-or."""
    value = 0
    for (word,) in struct.iter_unpack("<I", block[:508]):
        value ^= word
    # The two values that stand for none (spec "XOR-32 checksum").
    return {0: 1, 0xFFFFFFFF: 0xFFFFFFFE}.get(value, value)


def base_block(data: bytes | bytearray | memoryview) -> BaseBlock:
    """The base block at the start of a hive or a log (of whose copy only the first sector is there)."""
    if len(data) < SECTOR:
        return BaseBlock(0, 0, 0, 0, 0, 0, 0, False)
    signature, primary, secondary, written, major, minor, kind, form, root, bins, clustering = struct.unpack_from(
        "<4sIIQIIIIIII", data
    )
    right = signature == b"regf" and major == 1 and 3 <= minor <= 6 and form == 1
    right = right and struct.unpack_from("<I", data, 508)[0] == checksum(data)
    return BaseBlock(primary, secondary, written, kind, root, bins, clustering, right)


def finish(hive: bytearray, sequence: int, bins: int) -> None:
    """Make the base block that of a finished write: both sequence numbers `sequence`, the bins' size, the checksum."""
    struct.pack_into("<II", hive, 4, sequence, sequence)
    struct.pack_into("<I", hive, 40, bins)
    struct.pack_into("<I", hive, 508, checksum(hive))


def check_bins(hive: bytes | bytearray, name: str) -> None:
    """See that the bins lie one behind the other over all of the bins' size, and that the root cell is among them.

    Raises `HiveBroken`.
    """
    block = base_block(hive)
    if block.bins == 0 or block.bins % PAGE or BASE + block.bins > len(hive):
        raise HiveBroken(name, f"its base block tells of {block.bins} bytes of bins, and the file has {len(hive)}")
    at = 0
    while at < block.bins:
        signature, offset, size = struct.unpack_from("<4sII", hive, BASE + at)
        if signature != b"hbin" or offset != at or size == 0 or size % PAGE or at + size > block.bins:
            raise HiveBroken(name, f"there is no bin at byte {BASE + at}")
        at += size
    root = BASE + block.root
    if block.root >= block.bins - 80 or bytes(hive[root + 4 : root + 6]) != b"nk":
        raise HiveBroken(name, "its base block names no root key")
