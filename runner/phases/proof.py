"""Proof that an integrity snapshot equals its source, byte for byte: both are read, block by block."""

from __future__ import annotations

from contextlib import closing

from runner.aws.ebs_direct import BLOCK, list_blocks, read_block
from runner.blocks.source import Source
from runner.phases.job import Job
from runner.phases.sources import open_disk
from schemas.errors import IntegrityViolated
from schemas.manifest import DiskRecord, Manifest


class SnapshotDiffers(IntegrityViolated):
    """A block of an integrity snapshot is not the source's. `offset` in bytes."""

    def __init__(self, snapshot_id: str, disk: str, offset: int) -> None:
        super().__init__(
            f"The integrity snapshot {snapshot_id} of disk {disk} differs from the source at byte {offset}.",
            "Did the source change since? If not, replicate again.",
        )
        self.snapshot_id = snapshot_id
        self.offset = offset


def prove_snapshots(job: Job, manifest: Manifest) -> int:
    """Compare every integrity snapshot with its source; the number of bytes compared. Raises `SnapshotDiffers`."""
    return sum(_prove(job, record) for record in manifest.disks)


def _prove(job: Job, record: DiskRecord) -> int:
    disk = job.spec.disk(record.id)
    with closing(open_disk(disk, job.account)) as source:
        held = {b.index: b for b in list_blocks(job.account, record.integrity_snapshot_id)}
        buffer = bytearray(BLOCK)
        for index in range(-(-record.volume_bytes // BLOCK)):
            expected = _block(source, index, buffer)
            if index in held:
                same = read_block(job.account, record.integrity_snapshot_id, held[index]) == expected
            else:
                same = not any(expected)
            if not same:
                raise SnapshotDiffers(record.integrity_snapshot_id, record.id, index * BLOCK)
        return record.volume_bytes


def _block(source: Source, index: int, buffer: bytearray) -> bytes:
    """The source's block, zeroes past its end."""
    length = max(0, min(BLOCK, source.size - index * BLOCK))
    window = memoryview(buffer)
    if length:
        source.read_into(index * BLOCK, window[:length])
    window[length:] = bytes(BLOCK - length)
    return bytes(buffer)
