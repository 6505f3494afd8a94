"""The data: every disk of the source onto its volume, all disks at once, complete and flushed."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from runner.blocks.copy import CopyResult, copy_disk
from runner.blocks.device import open_device
from runner.blocks.digests import DigestFile
from runner.blocks.errors import SourceChanged
from runner.blocks.extent import BLOCK
from runner.blocks.limit import RateLimit
from runner.blocks.source import Source
from runner.journal import timestamp
from runner.phases.attachment import attached_since
from runner.phases.changes import change_id
from runner.phases.device import check_unheld, find_device
from runner.phases.job import Job
from runner.phases.move import require_phase
from runner.phases.records import (
    Copying,
    Restored,
    copying_file,
    injection_file,
    is_committed,
    read_record,
    restored_file,
    write_record,
)
from runner.phases.sources import open_disk
from schemas.manifest import SourceRecord
from schemas.spec import Disk, Spec

_STEP = "restore"


@dataclass(frozen=True)
class _Place:
    """A disk's volume, the access node that has it, and since when."""

    volume_id: str
    node_id: str
    attached: str


def restore(job: Job) -> None:
    """Copy every disk that is not complete yet. The first error is the one that is raised."""
    if is_committed(job.generation_directory):
        return
    outputs = require_phase(job, _STEP, "staging")
    node, limit = outputs.access_node_id, rate_limit(job.spec)
    since = attached_since(job, outputs)

    def copy(disk: Disk) -> None:
        _restore_disk(job, disk, _Place(outputs.volumes[disk.id], node, since[disk.id]), limit)

    on_all_disks(job.spec, copy)


def on_all_disks(spec: Spec, work: Callable[[Disk], None]) -> None:
    """Do `work` for every disk, so many at once as the spec allows. The first error is raised when all have ended."""
    disks = spec.source.disks
    with ThreadPoolExecutor(max_workers=min(spec.copy.disks_at_once, len(disks))) as pool:
        running = [pool.submit(work, disk) for disk in disks]
        errors = [error for future in running if (error := future.exception()) is not None]
    if errors:
        raise errors[0]


def _restore_disk(job: Job, disk: Disk, place: _Place, limit: RateLimit | None) -> None:
    record = restored_file(job.generation_directory, disk.id)
    done = read_record(record, Restored)
    with closing(open_disk(disk, job.account)) as source:
        now = source_record(disk, source)
        same = done is not None and (done.volume_id, done.attached) == (place.volume_id, place.attached)
        if done is not None and same and done.source == now:
            job.journal.tell(_STEP, f"{disk.id} is complete already.")
            return
        record.unlink(missing_ok=True)
        injection_file(job.generation_directory).unlink(missing_ok=True)  # its overlays were made over the old bytes
        path = find_device(place.volume_id, place.node_id, job.stop)
        digests = job.manifests.digest_file(job.generation, disk.id)
        digests.parent.mkdir(parents=True, exist_ok=True)
        job.generation_directory.mkdir(parents=True, exist_ok=True)
        checkpoint = job.generation_directory / f"{disk.id}.checkpoint"
        # No restore was ever complete, and nothing injected: the engine looks at the volume all the same.
        blank = done is None and job.manifests.read(job.generation) is None
        blank = _begin(job, disk, place.attached, checkpoint, blank)
        with closing(open_device(str(path))) as device:
            size = device.size
            result: CopyResult = copy_disk(
                source,
                device,
                disk=disk.id,
                generation=job.generation,
                digests=digests,
                checkpoint=checkpoint,
                zeroes=job.spec.zeroes,
                blank=blank,
                verify=job.spec.verify,
                progress=lambda p: job.tell_progress(_STEP, p),
                stop=job.stop,
                limit=limit,
            )
        check_source(disk, source, now)
        check_unheld(path)
    zero = result.bytes_zero_skipped + result.bytes_zero_written
    write_record(
        record,
        Restored(
            disk=disk.id,
            volume_id=place.volume_id,
            volume_bytes=size,
            source=now,
            digest_of_digests=result.digest_file_digest,
            copy=uuid.uuid4().hex,
            bytes_data=result.bytes_total - zero,
            bytes_zero=zero,
            bytes_changed=result.bytes_total,
            bytes_written=_data_bytes(digests),
            attached=place.attached,
            made=timestamp(),
        ),
    )


def _begin(job: Job, disk: Disk, attached: str, checkpoint: Path, blank: bool) -> bool:
    """Whether the volume may be taken for a blank; what an earlier attachment vouched for is forgotten."""
    note = copying_file(job.generation_directory, disk.id)
    before = read_record(note, Copying)
    if before is not None:
        blank = blank and before.blank and before.attached == attached
        if before.attached != attached:
            checkpoint.unlink(missing_ok=True)
    write_record(note, Copying(attached, blank))
    return blank


def rate_limit(spec: Spec) -> RateLimit | None:
    """The spec's limit, for all disks of a run together."""
    return None if spec.copy.rate_mb_s is None else RateLimit(spec.copy.rate_mb_s * 1e6)


def _data_bytes(digests: Path) -> int:
    """Bytes of the blocks that hold data: what a copy wrote, in however many tries, but for zeroes."""
    with closing(DigestFile.open(digests)) as file:
        return min((file.blocks - file.known_zero) * BLOCK, file.size)


def source_record(disk: Disk, source: Source) -> SourceRecord:
    """What a source is now."""
    pinned = source.fingerprint()
    return SourceRecord(
        disk.path,
        disk.format,
        source.size,
        pinned.mtime_ns,
        pinned.inode,
        pinned.device,
        pinned.version,
        change_id(disk),
    )


def check_source(disk: Disk, source: Source, before: SourceRecord) -> None:
    """Raise `SourceChanged` unless a source and its change list are what they were when it was opened."""
    now = source_record(disk, source)
    if now.change_id != before.change_id:
        ids = f"its change list was {before.change_id or '(none)'} and is {now.change_id or '(none)'}"
        raise SourceChanged(source.location, ids)
    if now != before:
        raise SourceChanged(source.location, "it was replaced")
