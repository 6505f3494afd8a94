"""VMDK files made by hand, after VMware's format document and not after our reader: to be broken field by field."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

SECTOR = 512
GRAIN = 128  # sectors
TEXT = """# Disk DescriptorFile
version=1
CID=12345678
parentCID={parent}
createType="{kind}"

# Extent description
{extents}

# The Disk Data Base
#DDB
ddb.virtualHWVersion = "4"
"""


def text(kind: str, *extents: str, parent: str = "ffffffff") -> bytes:
    return TEXT.format(kind=kind, extents="\n".join(extents), parent=parent).encode()


def header(sectors: int, directory_at: int, **change: object) -> bytes:
    fields: dict[str, object] = {
        "magic": b"KDMV",
        "version": 1,
        "flags": 3,
        "capacity": sectors,
        "grain": GRAIN,
        "descriptor": 1,
        "descriptor_size": 20,
        "entries": 512,
        "redundant": 0,
        "directory": directory_at,
        "overhead": 128,
        "unclean": 0,
        "newlines": b"\n \r\n",
        "compression": 0,
        **change,
    }
    return struct.pack("<4sIIQQQQIQQQB4sH", *fields.values()).ljust(SECTOR, b"\0")


def sparse(path: Path, content: bytes, *, said: bytes | None = None, **change: object) -> None:
    """One table (32 MiB at most): header 0, descriptor 1 to 20, directory 21, table 22 to 25, grains from 128 on."""
    capacity = len(content) // SECTOR
    image = bytearray(128 * SECTOR)
    table = [0] * 512
    for n, at in enumerate(range(0, len(content), GRAIN * SECTOR)):
        piece = content[at : at + GRAIN * SECTOR]
        if any(piece):
            table[n] = len(image) // SECTOR
            image += piece.ljust(GRAIN * SECTOR, b"\0")
    image[:SECTOR] = header(capacity, 21, **change)
    if said is None:
        said = text("monolithicSparse", f'RW {capacity} SPARSE "disk.vmdk"')
    image[SECTOR : SECTOR + len(said)] = said
    image[21 * SECTOR : 21 * SECTOR + 4] = struct.pack("<I", 22)
    image[22 * SECTOR : 26 * SECTOR] = struct.pack("<512I", *table)
    path.write_bytes(image)


def streamed(path: Path, content: bytes, *, grains: dict[int, bytes] | None = None, footer: bool = True) -> None:
    """A streamOptimized extent; `grains` replaces a grain's marker and data by these bytes."""
    capacity = len(content) // SECTOR
    options = {"version": 3, "flags": 0x30001, "compression": 1}
    image = bytearray(128 * SECTOR)
    image[:SECTOR] = header(capacity, 0xFFFFFFFFFFFFFFFF, **options)
    said = text("streamOptimized", f'RW {capacity} SPARSE "disk.vmdk"')
    image[SECTOR : SECTOR + len(said)] = said
    table = [0] * 512
    for n, at in enumerate(range(0, len(content), GRAIN * SECTOR)):
        piece = content[at : at + GRAIN * SECTOR].ljust(GRAIN * SECTOR, b"\0")
        packed = zlib.compress(piece)
        grain = struct.pack("<QI", n * GRAIN, len(packed)) + packed
        if any(piece):
            table[n] = len(image) // SECTOR
            image += (grains or {}).get(n, grain)
            image += bytes(-len(image) % SECTOR)

    def marker(sectors: int, kind: int) -> bytes:
        return struct.pack("<QII", sectors, 0, kind).ljust(SECTOR, b"\0")

    image += marker(4, 1)
    table_at = len(image) // SECTOR
    image += struct.pack("<512I", *table) + marker(1, 2)
    directory_at = len(image) // SECTOR
    image += struct.pack("<I", table_at).ljust(SECTOR, b"\0")
    if footer:
        image += marker(1, 3) + header(capacity, directory_at, **options) + marker(0, 0)
    path.write_bytes(image)
