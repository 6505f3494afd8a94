"""VMware disks (VMDK) as sources: one sparse file, or a descriptor and the files beside it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from runner.blocks.bytefile import ByteFile
from runner.blocks.errors import ImageRefused, ShortRead, SourceEmpty
from runner.blocks.extent import Extent
from runner.blocks.fingerprint import Fingerprint
from runner.blocks.vmdk_descriptor import (
    MAX_TEXT,
    SECTOR,
    Descriptor,
    ExtentLine,
    is_descriptor,
    parse_descriptor,
)
from runner.blocks.vmdk_header import MAGIC
from runner.blocks.vmdk_sparse import SparseExtent

# The first bytes of the files in which ESXi keeps what changed since a snapshot.
_DELTAS = {b"COWD": "vmfsSparse", (0xCAFEBABE).to_bytes(8, "little"): "seSparse"}


@dataclass(frozen=True, slots=True)
class _Part:
    """`length` bytes of the disk from `start` on: a whole sparse file, a flat one from `offset` on, or zeroes."""

    start: int
    length: int
    sparse: SparseExtent | None = None
    flat: ByteFile | None = None
    offset: int = 0


class VmdkSource:
    """A VMDK: monolithicSparse, monolithicFlat, twoGbMaxExtentSparse and Flat, streamOptimized, vmfs flat.

    It owns its files. Everything in them is checked before the first read; raises `ImageRefused`, `SourceEmpty`.
    """

    def __init__(self, file: ByteFile) -> None:
        self.location = file.path
        self._files = [file]
        try:
            self._parts = self._open()
            self._opened = [each.fingerprint() for each in self._files]
        except BaseException:
            self.close()
            raise
        self._starts = [part.start for part in self._parts]
        self.size = self._parts[-1].start + self._parts[-1].length

    def fingerprint(self) -> Fingerprint:
        """Over all files; a file put in place of one of them is a change too."""
        now = [file.fingerprint() for file in self._files]
        if any((a.inode, a.device) != (b.inode, b.device) for a, b in zip(now, self._opened, strict=True)):
            return Fingerprint(0, 0, 0, 0)
        size, changed = sum(p.size for p in now), max(p.mtime_ns for p in now)
        version = " ".join(p.version for p in now if p.version)
        return Fingerprint(size, changed, now[0].inode, now[0].device, version)

    def extents(self) -> Iterator[Extent]:
        """What grain tables, and the file system's holes of flat files, say."""
        for part in self._parts:
            if part.sparse is not None:
                pieces = part.sparse.extents()
            elif part.flat is not None:
                pieces = part.flat.extents(part.offset, part.length)
            else:
                pieces = iter([Extent(0, part.length, "zero")])
            for piece in pieces:
                yield Extent(part.start + piece.offset, piece.length, piece.kind)

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Fill the buffer; raises `OSError`, `ShortRead`, `ImageDamaged`."""
        if offset + len(buffer) > self.size:
            raise ShortRead(self.location, offset, len(buffer), max(0, self.size - offset))
        done = 0
        while done < len(buffer):
            part = self._parts[bisect_right(self._starts, offset + done) - 1]
            inside = offset + done - part.start
            length = min(part.length - inside, len(buffer) - done)
            piece = buffer[done : done + length]
            if part.sparse is not None:
                part.sparse.read_into(inside, piece)
            elif part.flat is not None:
                part.flat.read_into(part.offset + inside, piece)
            else:
                piece[:] = bytes(length)
            done += length

    def close(self) -> None:
        """Close all files."""
        for file in self._files:
            file.close()

    def _open(self) -> list[_Part]:
        first = self._files[0]
        if not first.size:
            raise SourceEmpty(self.location)
        start = bytearray(min(first.size, SECTOR))
        first.read_into(0, memoryview(start))
        if start[:4] == MAGIC:
            return [self._open_monolithic(SparseExtent(first))]
        for magic, name in _DELTAS.items():
            if start.startswith(magic):
                raise ImageRefused(
                    self.location,
                    "header",
                    f"it is a part of an ESXi snapshot ({name})",
                    "Consolidate the snapshots first, then export the disk.",
                )
        if not is_descriptor(bytes(start)):
            raise ImageRefused(
                self.location, "header", "it is no VMDK", "State the disk's true format (a *-flat.vmdk is raw)."
            )
        if first.size > MAX_TEXT:
            raise ImageRefused(self.location, "descriptor", f"it has {first.size} bytes, {MAX_TEXT} are allowed")
        descriptor = parse_descriptor(self._read_text(first, 0, first.size), self.location)
        return self._open_parts(descriptor)

    def _open_monolithic(self, extent: SparseExtent) -> _Part:
        """One file that holds its own descriptor."""
        offset, length = extent.descriptor_at
        if not offset or not length:
            raise ImageRefused(
                self.location, "descriptor", "it is one part of a disk", "Name the disk's descriptor file instead."
            )
        descriptor = parse_descriptor(self._read_text(extent.file, offset, length), self.location)
        if descriptor.create_type not in ("monolithicSparse", "streamOptimized"):
            raise ImageRefused(self.location, "createType", f"{descriptor.create_type} is not one sparse file")
        # The extent line's file name is that of the export, which users change: the file at hand is meant.
        if descriptor.sectors * SECTOR != extent.size:
            raise ImageRefused(
                self.location, "extent", f"{descriptor.sectors} sectors, the header says {extent.size // SECTOR}"
            )
        return _Part(0, extent.size, sparse=extent)

    def _open_parts(self, descriptor: Descriptor) -> list[_Part]:
        parts: list[_Part] = []
        start = 0
        for line in descriptor.extents:
            length = line.sectors * SECTOR
            parts.append(self._open_part(line, start, length))
            start += length
        return parts

    def _open_part(self, line: ExtentLine, start: int, length: int) -> _Part:
        if line.kind == "zero":
            return _Part(start, length)
        file = self._open_beside(line.name)
        if line.kind == "sparse":
            extent = SparseExtent(file)
            if extent.size != length:
                raise ImageRefused(
                    self.location, "extent", f"{line.name} holds {extent.size} bytes, the descriptor says {length}"
                )
            return _Part(start, length, sparse=extent)
        offset = line.offset * SECTOR
        if offset + length > file.size:
            raise ImageRefused(
                self.location, "extent", f"{line.name} has {file.size} bytes, {offset + length} are claimed"
            )
        return _Part(start, length, flat=file, offset=offset)

    def _open_beside(self, name: str) -> ByteFile:
        file = self._files[0].beside(name)
        self._files.append(file)
        return file

    def _read_text(self, file: ByteFile, offset: int, length: int) -> bytes:
        text = bytearray(length)
        file.read_into(offset, memoryview(text))
        return bytes(text)
