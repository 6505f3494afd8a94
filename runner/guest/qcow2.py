"""The allocated clusters of an overlay, read from the qcow2 file itself.

The file was last written by a QEMU that ran an untrusted guest, so nothing in it is believed: a header other than the
one `overlay.create` made, or an offset outside the file, is damage. Layout: QEMU's docs/interop/qcow2.txt, version 3.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from runner.guest.refusals import OverlayDamaged

CLUSTER_BITS = 19
CLUSTER_BYTES = 1 << CLUSTER_BITS  # 512 KiB, the block of the manifest and of EBS
_MAGIC = b"QFI\xfb"
# magic, version, backing (offset, length), cluster bits, size, encryption, L1 (length, offset), refcount table
# (offset, length), snapshots (number, offset), incompatible features
_HEADER = struct.Struct(">4sIQIIQIIQQIIQQ")
_OFFSET = 0x00FF_FFFF_FFFF_FE00
_COMPRESSED = 1 << 62
_READS_AS_ZERO = 1
_L2_ENTRIES = CLUSTER_BYTES // 8


@dataclass(frozen=True)
class Cluster:
    """An allocated cluster: its offset and length on the guest's disk in bytes; where its bytes are (None: zeroes)."""

    offset: int
    length: int
    place: int | None


class Qcow2:
    """An open overlay of a disk of `size` bytes. Raises `OverlayDamaged` when it is not as we made it."""

    def __init__(self, path: Path, size: int) -> None:
        self.path = path
        self.size = size
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            self._file_size = os.fstat(self._fd).st_size
            self._l1 = self._read_l1()
        except BaseException:
            os.close(self._fd)
            raise

    def __enter__(self) -> Qcow2:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)

    def clusters(self) -> Iterator[Cluster]:
        """The allocated clusters, in the order of their offsets; zeroed ones are among them."""
        for l1_index, l1_entry in enumerate(self._l1):
            l2_place = l1_entry & _OFFSET
            if l2_place == 0:
                continue
            table = struct.unpack(f">{_L2_ENTRIES}Q", self._read(l2_place, CLUSTER_BYTES, whole=True))
            for l2_index, entry in enumerate(table):
                offset = (l1_index * _L2_ENTRIES + l2_index) * CLUSTER_BYTES
                if entry == 0:
                    continue
                if entry & _COMPRESSED or offset >= self.size:
                    raise OverlayDamaged(str(self.path), f"the entry for byte {offset} is {entry:#x}")
                place = None if entry & _READS_AS_ZERO else entry & _OFFSET
                if place is not None and not 0 < place < self._file_size:
                    raise OverlayDamaged(str(self.path), f"the cluster for byte {offset} lies at {place}")
                yield Cluster(offset, min(CLUSTER_BYTES, self.size - offset), place)

    def content(self, cluster: Cluster) -> bytes:
        """The bytes of a cluster, `length` of them."""
        if cluster.place is None:
            return bytes(cluster.length)
        # QEMU may leave the last cluster of the file short; what is not there reads as zeroes.
        return self._read(cluster.place, cluster.length, whole=False).ljust(cluster.length, b"\0")

    def _read_l1(self) -> tuple[int, ...]:
        header = self._read(0, _HEADER.size, whole=True)
        (magic, version, _, _, bits, size, crypt, l1_length, l1_place, _, _, snapshots, _, features) = _HEADER.unpack(
            header
        )
        needed = -(-self.size // (CLUSTER_BYTES * _L2_ENTRIES))
        made = (magic, version, bits, size, crypt, snapshots, features) == (_MAGIC, 3, CLUSTER_BITS, self.size, 0, 0, 0)
        if not made or l1_length < needed:
            raise OverlayDamaged(str(self.path), "its header is not that of an overlay of this disk")
        return struct.unpack(f">{needed}Q", self._read(l1_place, needed * 8, whole=True))

    def _read(self, place: int, length: int, *, whole: bool) -> bytes:
        parts = []
        while length > 0 and (part := os.pread(self._fd, length, place)):
            parts.append(part)
            place += len(part)
            length -= len(part)
        if whole and length > 0:
            raise OverlayDamaged(str(self.path), f"it ends {length} bytes too early")
        return b"".join(parts)
