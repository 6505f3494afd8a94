"""Sparse files packed for a journey, and unpacked with their holes (gzip, by isal: zeroes cost next to nothing)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

from isal import isal_zlib

from schemas.errors import IntegrityViolated

_CHUNK = 1 << 20
_GZIP = 31  # window bits, with gzip's header and checksum ("deflateInit2" of zlib's manual)


class PackedDamaged(IntegrityViolated):
    """A packed file cannot be unpacked."""

    def __init__(self, where: str, fault: str) -> None:
        super().__init__(f"{where} cannot be unpacked: {fault}.", "Restore it from the bucket's older versions.")
        self.where = where


def pack(source: Path, target: Path) -> None:
    """Pack a file."""
    packing = isal_zlib.compressobj(1, wbits=_GZIP)
    with source.open("rb") as reading, target.open("wb") as writing:
        while piece := reading.read(_CHUNK):
            writing.write(packing.compress(piece))
        writing.write(packing.flush())


def unpack(packed: BinaryIO, target: Path, where: str) -> None:
    """Unpack to a file, in one piece and with holes for zeroes. Raises `PackedDamaged`."""
    temporary = target.with_name(f".{target.name}.new")
    temporary.parent.mkdir(parents=True, exist_ok=True)
    unpacking = isal_zlib.decompressobj(wbits=_GZIP)
    with temporary.open("wb") as writing:
        try:
            while not unpacking.eof:
                packet = unpacking.unconsumed_tail or packed.read(_CHUNK)
                if not packet:
                    raise PackedDamaged(where, "it ends too early")
                piece = unpacking.decompress(packet, _CHUNK)
                if piece.count(0) == len(piece):
                    writing.seek(len(piece), os.SEEK_CUR)
                else:
                    writing.write(piece)
        except isal_zlib.error as error:  # type: ignore[misc]  # its stub has an instance for the class
            raise PackedDamaged(where, str(error)) from error
        writing.truncate(writing.tell())
        writing.flush()
        os.fsync(writing.fileno())
    os.replace(temporary, target)
