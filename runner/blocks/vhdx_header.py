"""What a VHDX must be before the qemu tools may open it. Layout: MS-VHDX (Microsoft Open Specifications)."""

from __future__ import annotations

import struct
import uuid
from functools import cache

from runner.blocks.bytefile import ByteFile
from runner.blocks.errors import ImageRefused
from runner.blocks.image_piece import check_disk_size, read_piece

_KIB, _MIB = 1024, 1024 * 1024
_HEADERS_AT = (64 * _KIB, 128 * _KIB)
_HEADER_BYTES = 4 * _KIB
_TABLE_BYTES = 64 * _KIB
# signature, checksum, sequence number, file write GUID, data write GUID, log GUID, log version, version, log (length,
# offset)
_HEADER = struct.Struct("<4sIQ16s16s16sHHIQ")
_REGIONS_AT = 192 * _KIB
_LOG_BYTES_MOST = 256 * _MIB  # Hyper-V makes logs of 1 MiB
_ENTRIES_MOST = 2047
_METADATA = uuid.UUID("8b7ca206-4790-4b9a-b8fe-575f050f886e")
_BLOCKS = uuid.UUID("2dc27766-f623-4200-9d64-115e9bfd4a08")
_PARAMETERS = uuid.UUID("caa16737-fa36-4d43-b3b6-33f0aa44e76b")
_SIZE = uuid.UUID("2fa54224-cd1b-4876-b211-5dbed83bf4b8")
_PARENT = uuid.UUID("a8d35f2d-b30b-454d-abf7-d3d84834ab0c")
_HAS_PARENT = 1 << 1
_MERGE = "Merge it into its parent first."


def check_vhdx(file: ByteFile) -> int:
    """The disk's size in bytes. Raises `ImageRefused`; a log to replay, or a parent, is never opened."""
    if read_piece(file, 0, 8, "file identifier") != b"vhdxfile":
        raise ImageRefused(file.path, "file identifier", "it is no VHDX", "State the disk's true format.")
    _check_log(file)
    regions = _regions(file)
    if _METADATA not in regions or _BLOCKS not in regions:
        raise ImageRefused(file.path, "region table", "it names no block allocation table, or no metadata")
    return _size(file, *regions[_METADATA])


def _check_log(file: ByteFile) -> None:
    """The header in force: the one of the two whose checksum is right and whose number is the higher."""
    found = []
    for at in _HEADERS_AT:
        data = read_piece(file, at, _HEADER_BYTES, "header")
        if data[:4] == b"head" and _is_sound(data):
            found.append(_HEADER.unpack_from(data))
    if not found:
        raise ImageRefused(file.path, "header", "neither of the two has the right checksum")
    _, _, _, _, _, log, log_version, version, length, at = max(found, key=lambda header: header[2])
    if version != 1 or log_version != 0:
        raise ImageRefused(file.path, "version", f"{version} with a log of version {log_version}")
    if length > _LOG_BYTES_MOST or length % _MIB or at % _MIB or at + length > file.size:
        raise ImageRefused(file.path, "log", f"{length} bytes at {at} in a file of {file.size}")
    if any(log):
        raise ImageRefused(
            file.path,
            "log",
            "it was not closed properly, and its log would have to be replayed",
            "Open and close it on the source (Hyper-V: Mount-VHD, Dismount-VHD), then copy it anew.",
        )


def _regions(file: ByteFile) -> dict[uuid.UUID, tuple[int, int]]:
    """(offset, length) of each region."""
    table = read_piece(file, _REGIONS_AT, _TABLE_BYTES, "region table")
    signature, _, count = struct.unpack_from("<4sII", table)
    if signature != b"regi" or not _is_sound(table) or count > _ENTRIES_MOST:
        raise ImageRefused(file.path, "region table", "its checksum or its number of entries is wrong")
    found: dict[uuid.UUID, tuple[int, int]] = {}
    for number in range(count):
        raw, at, length, required = struct.unpack_from("<16sQII", table, 16 + number * 32)
        kind = uuid.UUID(bytes_le=raw)
        if kind not in (_METADATA, _BLOCKS) and required & 1:
            raise ImageRefused(file.path, "region table", f"the required region {kind} is unknown")
        if kind in found or at % _MIB or at < _MIB or at + length > file.size:
            raise ImageRefused(file.path, "region table", f"the region {kind} has {length} bytes at {at}")
        found[kind] = (at, length)
    return found


def _size(file: ByteFile, at: int, length: int) -> int:
    if length < _TABLE_BYTES:
        raise ImageRefused(file.path, "metadata", f"its region has {length} bytes")
    table = read_piece(file, at, _TABLE_BYTES, "metadata")
    signature, _, count = struct.unpack_from("<8sHH", table)
    if signature != b"metadata" or count > _ENTRIES_MOST:
        raise ImageRefused(file.path, "metadata", f"it has {count} entries, or no signature")
    size = 0
    for number in range(count):
        raw, offset, bytes_there, _ = struct.unpack_from("<16sIII", table, 32 + number * 32)
        kind = uuid.UUID(bytes_le=raw)
        if kind == _PARENT:
            raise ImageRefused(file.path, "parent locator", "it is a differencing disk", _MERGE)
        if kind not in (_PARAMETERS, _SIZE):
            continue
        if not _TABLE_BYTES <= offset <= length - 8 or bytes_there != 8:
            raise ImageRefused(file.path, "metadata", f"{kind} has {bytes_there} bytes at {offset}")
        value = read_piece(file, at + offset, 8, "metadata")
        if kind == _SIZE:
            (size,) = struct.unpack("<Q", value)
        elif struct.unpack("<II", value)[1] & _HAS_PARENT:
            raise ImageRefused(file.path, "file parameters", "it is a differencing disk", _MERGE)
    return check_disk_size(file, size, "virtual disk size")


def _is_sound(data: bytes) -> bool:
    """Whether a structure's CRC-32C, in its bytes 4 to 8, is right; these count as zeroes."""
    table = _crc_table()
    crc = 0xFFFFFFFF
    for byte in data[:4] + bytes(4) + data[8:]:
        crc = table[(crc ^ byte) & 0xFF] ^ crc >> 8
    (said,) = struct.unpack_from("<I", data, 4)
    return bool(crc ^ 0xFFFFFFFF == said)


@cache
def _crc_table() -> tuple[int, ...]:
    """CRC-32C (Castagnoli), reflected: RFC 3720, appendix B.4."""
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return tuple(table)
