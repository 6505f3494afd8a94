"""Where a run's bytes come from: the spec's own disks, or of a rollback an integrity snapshot."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from threading import Lock

from runner.aws.account import Account
from runner.aws.ebs_direct import BLOCK, SnapshotBlock, list_blocks, read_block
from runner.blocks.errors import ShortRead
from runner.blocks.extent import Extent, merged
from runner.blocks.fingerprint import Fingerprint
from runner.blocks.source import Source
from runner.phases.job import Job
from runner.phases.reference import reference_manifest
from runner.phases.restore import source_record
from runner.phases.sources import open_disk
from schemas.manifest import DiskRecord, SourceRecord
from schemas.spec import Disk


class SnapshotSource:
    """Blocks of a completed snapshot as a source disk of `size` bytes: those in `wanted`; no other may be read."""

    def __init__(self, account: Account, snapshot_id: str, size: int, wanted: Iterable[int]) -> None:
        self.location = snapshot_id
        self.size = size
        self._account = account
        self._wanted = frozenset(wanted)
        self._held = {b.index: b for b in list_blocks(account, snapshot_id) if b.index in self._wanted}
        self._last: tuple[int, bytes] = (-1, b"")
        self._lock = Lock()

    def fingerprint(self) -> Fingerprint:
        """A completed snapshot never changes."""
        return Fingerprint(self.size, 0, 0, 0, self.location)

    def extents(self) -> Iterator[Extent]:
        """Zeroes where a wanted block is not held; data elsewhere, also where nobody may read."""
        yield from merged(
            Extent(
                offset,
                min(BLOCK, self.size - offset),
                "zero" if offset // BLOCK in self._wanted and offset // BLOCK not in self._held else "data",
            )
            for offset in range(0, self.size, BLOCK)
        )

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Read block by block; raises `ShortRead` behind the end."""
        if offset + len(buffer) > self.size:
            raise ShortRead(self.location, offset, len(buffer), max(0, self.size - offset))
        done = 0
        while done < len(buffer):
            index, inside = divmod(offset + done, BLOCK)
            piece = self._block(index)[inside : inside + len(buffer) - done]
            buffer[done : done + len(piece)] = piece
            done += len(piece)

    def close(self) -> None:
        """Nothing to let go of."""

    def _block(self, index: int) -> bytes:
        if index not in self._wanted:
            raise KeyError(index)
        held: SnapshotBlock | None = self._held.get(index)
        if held is None:
            return bytes(BLOCK)
        with self._lock:
            last, content = self._last
        if last == index:  # one block may be asked for in two pieces
            return content
        content = read_block(self._account, self.location, held)
        with self._lock:
            self._last = (index, content)
        return content


@contextmanager
def opened(job: Job, disk: Disk, wanted: Iterable[int]) -> Iterator[tuple[Source, SourceRecord]]:
    """The bytes that a disk's volume is to hold, and their record. Of a rollback the blocks `wanted` can be read."""
    if job.run.kind != "rollback":
        with closing(open_disk(disk, job.account)) as source:
            yield source, source_record(disk, source)
        return
    record = _record(job, disk.id)
    yield SnapshotSource(job.account, record.integrity_snapshot_id, record.source.bytes, wanted), record.source


def _record(job: Job, disk_id: str) -> DiskRecord:
    return next(disk for disk in reference_manifest(job).disks if disk.id == disk_id)
