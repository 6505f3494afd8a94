"""What a VHD must be before the qemu tools may open it.

Layout: "Virtual Hard Disk Image Format Specification" (Microsoft, 2006).
"""

from __future__ import annotations

import struct
from array import array

from runner.blocks.bytefile import ByteFile
from runner.blocks.errors import ImageRefused
from runner.blocks.image_piece import check_disk_size, read_piece

_FOOTER_BYTES = 512
# cookie, features, version, data offset, time, creator (application, version, system), sizes (original, current),
# geometry, type, checksum
_FOOTER = struct.Struct(">8sIIQI4sI4sQQIII")
_CHECKSUM_AT = 64
_DYNAMIC_BYTES = 1024
# cookie, data offset, table offset, version, entries, block size, checksum
_DYNAMIC = struct.Struct(">8sQQIIII")
_DYNAMIC_CHECKSUM_AT = 36
_FIXED_TYPE, _DYNAMIC_TYPE, _DIFFERENCING_TYPE = 2, 3, 4
_UNUSED = 0xFFFFFFFF
_BLOCK_BYTES_MOST = 256 * 1024 * 1024
_ENTRIES_MOST = 1 << 20  # 2 TiB in blocks of 2 MiB: the format's own limit is 2040 GiB


def check_vhd(file: ByteFile) -> int:
    """The disk's size in bytes. Raises `ImageRefused`; a differencing disk would be read together with its parent."""
    footer = read_piece(file, max(0, file.size - _FOOTER_BYTES), _FOOTER_BYTES, "footer")
    (cookie, _, version, dynamic_at, _, _, _, _, _, size, _, kind, checksum) = _FOOTER.unpack_from(footer)
    if cookie != b"conectix":
        raise ImageRefused(file.path, "footer", "it is no VHD", "State the disk's true format.")
    if checksum != _checksum(footer, _CHECKSUM_AT):
        raise ImageRefused(file.path, "footer", "its checksum is wrong")
    if version >> 16 != 1:
        raise ImageRefused(file.path, "version", f"{version:#x} is unknown")
    if kind == _DIFFERENCING_TYPE:
        raise ImageRefused(
            file.path, "disk type", "it is a differencing disk, of a snapshot", "Merge it into its parent first."
        )
    check_disk_size(file, size, "current size")
    if kind == _FIXED_TYPE:
        if size > file.size - _FOOTER_BYTES:
            raise ImageRefused(file.path, "current size", f"{size} bytes in a file of {file.size}")
        return int(size)
    if kind != _DYNAMIC_TYPE:
        raise ImageRefused(file.path, "disk type", f"{kind} is unknown")
    _check_dynamic(file, footer, dynamic_at, size)
    return int(size)


def _check_dynamic(file: ByteFile, footer: bytes, at: int, size: int) -> None:
    if read_piece(file, 0, _FOOTER_BYTES, "footer's copy") != footer:
        raise ImageRefused(file.path, "footer", "its copy at the front is another")
    header = read_piece(file, at, _DYNAMIC_BYTES, "dynamic disk header")
    cookie, _, table_at, _, entries, block, checksum = _DYNAMIC.unpack_from(header)
    if cookie != b"cxsparse" or checksum != _checksum(header, _DYNAMIC_CHECKSUM_AT):
        raise ImageRefused(file.path, "dynamic disk header", "there is none at the place the footer names")
    if not 512 <= block <= _BLOCK_BYTES_MOST or block & (block - 1):
        raise ImageRefused(file.path, "block size", f"{block} bytes")
    if not -(-size // block) <= entries <= _ENTRIES_MOST:
        raise ImageRefused(file.path, "table entries", f"{entries} of {block} bytes for a disk of {size}")
    table = array("I", read_piece(file, table_at, entries * 4, "block allocation table"))
    table.byteswap()  # the file is big-endian, as hotadd's machines are not
    sectors = file.size // 512
    used = [entry for entry in table if entry != _UNUSED]
    if any(entry >= sectors for entry in used):
        raise ImageRefused(file.path, "block allocation table", "a block lies beyond the end of the file")
    if len(set(used)) != len(used):
        raise ImageRefused(file.path, "block allocation table", "two entries name one block")


def _checksum(data: bytes, at: int) -> int:
    """One's complement of the sum of all bytes but the checksum's own four."""
    return ~(sum(data) - sum(data[at : at + 4])) & 0xFFFFFFFF
