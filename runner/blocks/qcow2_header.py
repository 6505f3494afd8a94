"""What a qcow2 image must be before the qemu tools may open it. Layout: QEMU's docs/interop/qcow2.txt."""

from __future__ import annotations

import struct

from runner.blocks.bytefile import ByteFile
from runner.blocks.errors import ImageRefused
from runner.blocks.image_piece import check_disk_size, read_piece

_MAGIC = b"QFI\xfb"
# magic, version, backing (offset, length), cluster bits, size, encryption, L1 (length, offset), refcount table
# (offset, clusters), snapshots (number, offset); then, from version 3 on, feature bits and the header's length
_HEADER = struct.Struct(">4sIQIIQIIQQIIQ")
_VERSION_3 = struct.Struct(">QQQII")
_CORRUPT, _DATA_FILE = 1 << 1, 1 << 2
_KNOWN = 0b11111  # dirty, corrupt, data file, compression type, extended L2 entries
_END, _DATA_FILE_NAME, _CRYPTO = 0, 0x44415441, 0x0537BE77
_L1_BYTES_MOST = 32 * 1024 * 1024  # as QEMU has it (QCOW_MAX_L1_SIZE)
_FLATTEN = "Make one file of it first: qemu-img convert -O qcow2 IMAGE FLAT."


def check_qcow2(file: ByteFile) -> int:
    """The disk's size in bytes. Raises `ImageRefused` for what leads outside the file, or is not one plain disk."""

    def refuse(field: str, rule: str, hint: str = "Export the disk anew; the image may be damaged.") -> ImageRefused:
        return ImageRefused(file.path, field, rule, hint)

    (magic, version, backing, _, bits, size, encryption, entries, l1, _, _, snapshots, _) = _HEADER.unpack(
        read_piece(file, 0, _HEADER.size, "header")
    )
    if magic != _MAGIC:
        raise refuse("header", "it is no qcow2 image", "State the disk's true format.")
    if version not in (2, 3):
        raise refuse("version", f"{version} is unknown")
    if backing:
        raise refuse("backing_file_offset", "a backing file would be read with our rights", _FLATTEN)
    if encryption:
        raise refuse("crypt_method", "the image is encrypted", "Decrypt it first: qemu-img convert.")
    if snapshots:
        raise refuse("nb_snapshots", f"it holds {snapshots} internal snapshots", _FLATTEN)
    if not 9 <= bits <= 21:
        raise refuse("cluster_bits", f"{bits}; 9 to 21 are allowed")
    check_disk_size(file, size, "size")
    header_length = _HEADER.size
    wide = 8
    if version == 3:
        features, _, _, _, header_length = _VERSION_3.unpack(
            read_piece(file, _HEADER.size, _VERSION_3.size, "incompatible_features")
        )
        if features & _DATA_FILE:
            raise refuse("incompatible_features", "an external data file would be read with our rights", _FLATTEN)
        if features & _CORRUPT:
            raise refuse("incompatible_features", "the image is marked as corrupt", "Mend it: qemu-img check -r all.")
        if features & ~_KNOWN:
            raise refuse("incompatible_features", f"{features:#x} has unknown bits")
        wide = 16 if features & 1 << 4 else 8
        if not _HEADER.size + _VERSION_3.size <= header_length <= 1 << bits:
            raise refuse("header_length", f"{header_length} bytes")
        _check_extensions(file, header_length, 1 << bits)
    per_entry = (1 << bits) // wide << bits  # bytes of the disk that one L1 entry stands for
    if entries < -(-size // per_entry) or entries * 8 > _L1_BYTES_MOST:
        raise refuse("l1_size", f"{entries} entries for a disk of {size} bytes")
    if l1 % (1 << bits) or l1 + entries * 8 > file.size:
        raise refuse("l1_table_offset", f"{entries} entries at {l1} do not fit a file of {file.size} bytes")
    return int(size)


def _check_extensions(file: ByteFile, start: int, end: int) -> None:
    """No header extension names another file or a key."""
    at = start
    while at + 8 <= min(end, file.size):
        kind, length = struct.unpack(">II", read_piece(file, at, 8, "header extension"))
        if kind == _END:
            return
        if at + 8 + length > end:
            raise ImageRefused(file.path, "header extension", f"{kind:#x} has {length} bytes, beyond the first cluster")
        if kind == _DATA_FILE_NAME:
            raise ImageRefused(file.path, "header extension", "it names an external data file", _FLATTEN)
        if kind == _CRYPTO:
            raise ImageRefused(file.path, "header extension", "the image is encrypted", "Decrypt it first.")
        at += 8 + -(-length // 8) * 8
