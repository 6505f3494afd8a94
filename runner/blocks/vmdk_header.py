"""The header of a hosted sparse VMDK extent. Pure; rules after "Virtual Disk Format 5.0" (VMware, 2011)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from runner.blocks.errors import ImageRefused
from runner.blocks.vmdk_descriptor import MAX_SECTORS, MAX_TEXT, SECTOR

HEADER_SIZE = 512
MAGIC = b"KDMV"
ENTRIES = 512  # per grain table
AT_END = 0xFFFFFFFFFFFFFFFF  # as grain directory offset: look in the footer
_HEADER = struct.Struct("<4sIIQQQQIQQQB4sH")
_HAS_NEWLINES, _ZERO_GRAINS, _COMPRESSED, _MARKERS = 1 << 0, 1 << 2, 1 << 16, 1 << 17
_MAX_TABLES = 1 << 21  # 64 TiB in grains of 64 KiB, which is what VMware writes; the directory is held in memory: 8 MiB
_MAX_GRAIN = 8192  # sectors: 4 MiB; VMware writes 128, and a grain is inflated in memory


@dataclass(frozen=True, slots=True)
class SparseHeader:
    """A header that has passed all checks. All in sectors of 512 bytes but `file_size`, in bytes."""

    capacity: int
    grain: int
    descriptor_offset: int
    descriptor_sectors: int
    directory_offset: int
    zero_grains: bool
    compressed: bool

    @property
    def tables(self) -> int:
        """Entries of the grain directory."""
        return -(-self.capacity // (self.grain * ENTRIES))


def parse_header(data: bytes, file_size: int, location: str) -> SparseHeader:
    """Read the header (or footer) of a sparse extent whose file has so many bytes.

    `directory_offset` may be `AT_END`. Raises `ImageRefused` with the field and the rule it breaks.
    """

    def refuse(field: str, rule: str) -> ImageRefused:
        return ImageRefused(location, field, rule)

    if len(data) < HEADER_SIZE or data[:4] != MAGIC:
        raise refuse("header", "it is no sparse VMDK extent (KDMV)")
    (_, version, flags, capacity, grain, text_at, text_size, entries, _, directory, _, _, newlines, compression) = (
        _HEADER.unpack_from(data)
    )
    if version not in (1, 2, 3):
        raise refuse("version", f"{version} is unknown")
    if flags & _HAS_NEWLINES and newlines != b"\n \r\n":
        raise refuse("newline test", "the file was changed by a transfer in text mode")
    if not 0 < capacity <= MAX_SECTORS:
        raise refuse("capacity", f"{capacity} sectors; 1 to {MAX_SECTORS} (64 TiB) are allowed")
    if not 8 <= grain <= _MAX_GRAIN or grain & (grain - 1):
        raise refuse("grainSize", f"{grain} sectors; a power of two from 8 to {_MAX_GRAIN} is allowed")
    if entries != ENTRIES:
        raise refuse("numGTEsPerGT", f"{entries}; only {ENTRIES} is allowed")
    if compression not in (0, 1) or bool(flags & _COMPRESSED) != (compression == 1):
        raise refuse("compressAlgorithm", f"{compression} with flags {flags:#x}; only deflate is known")
    if flags & _COMPRESSED and not flags & _MARKERS:
        raise refuse("flags", "compressed grains without markers are known of no writer")
    if text_at and (text_size * SECTOR > MAX_TEXT or (text_at + text_size) * SECTOR > file_size):
        raise refuse("descriptor", f"{text_size} sectors at {text_at} do not fit a file of {file_size} bytes")
    header = SparseHeader(
        capacity, grain, text_at, text_size, directory, bool(flags & _ZERO_GRAINS), bool(flags & _COMPRESSED)
    )
    if header.tables > _MAX_TABLES:
        raise refuse("grainSize", f"{grain} sectors make {header.tables} grain tables, {_MAX_TABLES} are allowed")
    if directory != AT_END and (directory == 0 or directory * SECTOR + header.tables * 4 > file_size):
        raise refuse(
            "gdOffset", f"{header.tables} entries at sector {directory} do not fit a file of {file_size} bytes"
        )
    if directory == AT_END and not flags & _MARKERS:
        raise refuse("gdOffset", "only a streamOptimized extent has its grain directory at the end")
    return header
