"""VMDK files made by hand, after VMware's format document and not after our reader: to be broken field by field."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from random import Random

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


def sparse(
    path: Path,
    content: bytes,
    *,
    said: bytes | None = None,
    sectors: int = GRAIN,
    shuffle: int | None = None,
    **change: object,
) -> None:
    """One table (512 grains at most): header 0, descriptor 1 to 20, directory 21, table 22 to 25, grains from 128 on.

    `sectors` is a grain's size, `shuffle` the seed of the grains' order in the file.
    """
    capacity = len(content) // SECTOR
    image = bytearray(128 * SECTOR)
    table = [0] * 512
    for n in ordered(len(content), sectors, shuffle):
        piece = content[n * sectors * SECTOR : (n + 1) * sectors * SECTOR]
        if any(piece):
            table[n] = len(image) // SECTOR
            image += piece.ljust(sectors * SECTOR, b"\0")
    change = {"grain": sectors, **change}
    image[:SECTOR] = header(capacity, 21, **change)
    if said is None:
        said = text("monolithicSparse", f'RW {capacity} SPARSE "disk.vmdk"')
    image[SECTOR : SECTOR + len(said)] = said
    image[21 * SECTOR : 21 * SECTOR + 4] = struct.pack("<I", 22)
    image[22 * SECTOR : 26 * SECTOR] = struct.pack("<512I", *table)
    path.write_bytes(image)


def ordered(size: int, sectors: int, shuffle: int | None) -> list[int]:
    numbers = [*range(-(-size // (sectors * SECTOR)))]
    if shuffle is not None:
        Random(shuffle).shuffle(numbers)
    return numbers


def streamed(
    path: Path,
    content: bytes,
    *,
    grains: dict[int, bytes] | None = None,
    footer: bool = True,
    sectors: int = GRAIN,
    shuffle: int | None = None,
) -> None:
    """A streamOptimized extent; `grains` replaces a grain's marker and data by these bytes."""
    capacity = len(content) // SECTOR
    options: dict[str, object] = {"version": 3, "flags": 0x30001, "compression": 1, "grain": sectors}
    image = bytearray(128 * SECTOR)
    image[:SECTOR] = header(capacity, 0xFFFFFFFFFFFFFFFF, **options)
    said = text("streamOptimized", f'RW {capacity} SPARSE "disk.vmdk"')
    image[SECTOR : SECTOR + len(said)] = said
    table = [0] * 512
    for n in ordered(len(content), sectors, shuffle):
        piece = content[n * sectors * SECTOR : (n + 1) * sectors * SECTOR].ljust(sectors * SECTOR, b"\0")
        packed = zlib.compress(piece)
        whole = struct.pack("<QI", n * sectors, len(packed)) + packed
        if any(piece):
            table[n] = len(image) // SECTOR
            image += (grains or {}).get(n, whole)
            image += bytes(-len(image) % SECTOR)

    def marker(length: int, kind: int) -> bytes:
        return struct.pack("<QII", length, 0, kind).ljust(SECTOR, b"\0")

    image += marker(4, 1)
    table_at = len(image) // SECTOR
    image += struct.pack("<512I", *table) + marker(1, 2)
    directory_at = len(image) // SECTOR
    image += struct.pack("<I", table_at).ljust(SECTOR, b"\0")
    if footer:
        image += marker(1, 3) + header(capacity, directory_at, **options) + marker(0, 0)
    path.write_bytes(image)
