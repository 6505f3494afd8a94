"""The data of a replica: every volume by a snapshot taken now, compared with what was replicated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing, nullcontext

from runner.aws.snapshots import find_states, wait_completed
from runner.aws.temporary import TemporaryErrored, snapshot_for_a_look
from runner.aws.volumes import Volume
from runner.blocks.digests import DigestFile
from runner.blocks.extent import BLOCK
from runner.drift.data import find_drift, find_drift_in_all, ranges_of
from runner.drift.reference import DigestReference, Reference, SnapshotReference
from runner.drift.traces import STEP, Temporaries
from runner.phases.digestfiles import DigestsMissing, open_digests
from runner.phases.job import Job
from schemas.drift import DriftedDisk
from schemas.manifest import DiskRecord, Manifest


def begin_snapshots(job: Job, manifest: Manifest, volumes: Mapping[str, Volume], made: Temporaries) -> None:
    """Start a temporary snapshot of every volume that exists: EBS copies while other things are looked at."""
    for record in manifest.disks:
        volume_id = record.volume_id
        if volume_id in volumes:
            one = snapshot_for_a_look(job.account, job.spec.name, record.id, volume_id, made.maker, job.spec.tags)
            made.made.append(one)
            made.snapshots[record.id] = one
            job.journal.tell(STEP, f"{one} of {volume_id} ({record.id}), for this look.")


def look_at_disks(job: Job, manifest: Manifest, made: Temporaries, *, whole: bool) -> tuple[DriftedDisk, ...]:
    """What differs on each disk. `whole` compares every block with the digests, not only those written since."""
    volumes = {made.snapshots[record.id]: record.volume_id for record in manifest.disks if record.id in made.snapshots}
    wait_completed(job.account, volumes, job.stop, lambda said: job.journal.tell(STEP, said), TemporaryErrored)
    states = find_states(job.account, [record.integrity_snapshot_id for record in manifest.disks])
    completed = {id_ for id_, (state, _) in states.items() if state == "completed"}
    found = []
    for record in manifest.disks:
        has_integrity = record.integrity_snapshot_id in completed
        found.append(_disk(job, manifest.generation, record, made.snapshots.get(record.id), has_integrity, whole))
    return tuple(found)


def _disk(
    job: Job, generation: int, record: DiskRecord, now: str | None, has_integrity: bool, whole: bool
) -> DriftedDisk:
    if now is None:
        return _uncompared(record, f"the volume {record.volume_id} is gone")
    digests, tell = _digests(job, generation, record), _teller(job, record)
    with closing(digests) if digests is not None else nullcontext():
        if whole and digests is not None:
            note = "every block was compared with the digests"
            reference = DigestReference(digests)
            found = find_drift_in_all(job.account, record, now, reference, job.stop, tell)
        elif has_integrity:
            against = "the digests" if digests is not None else "the integrity snapshot"
            note = f"what was written since was compared with {against}"
            found = find_drift(job.account, record, now, _reference(job, record, digests), job.stop, tell)
        else:
            way = "--whole compares every block with the digests" if digests is not None else "its digests are not here"
            gone = f"its integrity snapshot {record.integrity_snapshot_id} is gone, or not completed"
            return _uncompared(record, f"{gone}; {way}")
        ranges = ranges_of(found, record.volume_bytes)
    return DriftedDisk(
        id=record.id,
        volume_id=record.volume_id,
        volume_bytes=record.volume_bytes,
        integrity_snapshot_id=record.integrity_snapshot_id,
        compared=True,
        note=note,
        blocks=sum(-(-one.length // BLOCK) for one in ranges),
        bytes=sum(one.length for one in ranges),
        ranges=ranges,
    )


def _teller(job: Job, record: DiskRecord) -> Callable[[int], None]:
    return lambda blocks: job.journal.tell(STEP, f"{record.id}: {blocks} blocks looked at.")


def _reference(job: Job, record: DiskRecord, digests: DigestFile | None) -> Reference:
    if digests is not None:
        return DigestReference(digests)
    injected = frozenset(block.offset // BLOCK for block in record.injected)
    return SnapshotReference(job.account, record.integrity_snapshot_id, injected)


def _digests(job: Job, generation: int, record: DiskRecord) -> DigestFile | None:
    """The digest file, if it is here or can be brought here. Raises `DigestsDiffer`, `DigestsDamaged`."""
    try:
        return open_digests(job.manifests, generation, record)
    except DigestsMissing:
        return None


def _uncompared(record: DiskRecord, why: str) -> DriftedDisk:
    return DriftedDisk(
        record.id, record.volume_id, record.volume_bytes, record.integrity_snapshot_id, False, why, 0, 0, ()
    )
