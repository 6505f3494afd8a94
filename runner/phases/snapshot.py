"""The integrity snapshots: the source's bytes, before anything is injected."""

from __future__ import annotations

from runner.aws.snapshots import (
    LISTED_SECONDS,
    Snapshot,
    SnapshotErrored,
    create_snapshot,
    delete_snapshot,
    find_snapshots,
    wait_completed,
)
from runner.aws.waiting import wait_for
from runner.phases.again import copy_again
from runner.phases.job import Job
from runner.phases.move import require_phase
from runner.phases.records import Restored, is_committed, read_record, restored_file
from schemas.errors import IntegrityViolated, Refused
from schemas.manifest import DiskRecord, Manifest

_STEP = "snapshots completed"
# EBS ends a snapshot in `error` rarely and for reasons of its own; three times in a row is not chance.
_TRIES = 3


class NotRestored(Refused):
    """A disk's data is not complete on its volume."""

    def __init__(self, disk: str) -> None:
        super().__init__(f"The data of disk {disk} is not complete on its volume.", "Run `hotadd restore` first.")
        self.disk = disk


class NotSnapshot(Refused):
    """A disk's integrity snapshot is not completed: nothing may be injected yet."""

    def __init__(self, disks: tuple[str, ...]) -> None:
        super().__init__(
            f"The integrity snapshot of {', '.join(disks)} is not completed.",
            "Run `hotadd snapshot` first: nothing is injected before the source's bytes are safe.",
        )
        self.disks = disks


class InjectedAlready(IntegrityViolated):
    """The volumes were injected, so that a snapshot taken now would not hold the source's bytes."""

    def __init__(self, disk: str) -> None:
        super().__init__(
            f"Disk {disk} has no integrity snapshot, and its volume was injected already.",
            "With the volumes in staging, delete work/generation-* of this replication and run `hotadd restore`: the "
            "data must be copied anew.",
        )
        self.disk = disk


def snapshot(job: Job) -> None:
    """Start the integrity snapshot of every disk that has none (by tag: the call has no client token)."""
    if not _missing(job):
        return
    volumes = require_phase(job, "snapshot", "staging").volumes
    copy_again(job)
    # `prepared` comes before the first injected byte: from then on a commit may have begun.
    committed, begun = is_committed(job.generation_directory), {record.id for record in begun_disks(job)}
    made: set[str] = set()
    for disk in _missing(job):
        restored = read_record(restored_file(job.generation_directory, disk), Restored)
        if committed or disk in begun:
            raise InjectedAlready(disk)
        if restored is None or restored.volume_id != volumes[disk]:
            raise NotRestored(disk)
        one = create_snapshot(
            job.account,
            job.spec.name,
            job.generation,
            disk,
            volumes[disk],
            copy=restored.copy,
            extra=job.spec.tags,
        )
        made.add(one)
        job.journal.tell("snapshot", f"{one} of {volumes[disk]} ({disk}).")
    _wait_listed(job, made)


def complete_snapshots(job: Job) -> None:
    """Wait until every integrity snapshot is completed; one that ends in `error` is taken again."""
    for tried in range(1, _TRIES + 1):
        snapshot(job)
        try:
            volumes = {one.id: one.volume_id for one in _usable(job)}
            wait_completed(job.account, volumes, job.stop, lambda said: job.journal.tell(_STEP, said))
            check_completed(job)
            _remove_errored(job)
            return
        except (SnapshotErrored, NotSnapshot) as error:  # the latter: it errored before the wait for it began
            if tried == _TRIES:
                raise
            job.journal.tell(_STEP, f"{error.sentence} It is taken again.")


def completed_snapshots(job: Job) -> dict[str, str]:
    """Disk id to the id of its completed integrity snapshot, for the disks that have one."""
    return {s.disk: s.id for s in _usable(job) if s.state == "completed"}


def check_completed(job: Job) -> dict[str, str]:
    """As `completed_snapshots`, for every disk. Raises `NotSnapshot`."""
    complete = completed_snapshots(job)
    missing = tuple(d.id for d in job.spec.source.disks if d.id not in complete)
    if missing:
        raise NotSnapshot(missing)
    return complete


def prepared_manifest(job: Job) -> Manifest | None:
    """The generation's manifest, if it is of the data that is on the volumes now (restored anew, it is not)."""
    manifest = job.manifests.read(job.generation)
    return manifest if manifest is not None and begun_disks(job) == manifest.disks else None


def begun_disks(job: Job) -> tuple[DiskRecord, ...]:
    """The disks of the generation's manifest that were not restored anew since: a commit may have begun on these."""
    manifest = job.manifests.read(job.generation)
    return () if manifest is None else tuple(disk for disk in manifest.disks if not _restored_anew(job, disk))


def _restored_anew(job: Job, disk: DiskRecord) -> bool:
    held = read_record(restored_file(job.generation_directory, disk.id), Restored)
    return held is not None and held.copy != disk.copy


def _missing(job: Job) -> list[str]:
    have = {s.disk for s in _usable(job)}
    return [d.id for d in job.spec.source.disks if d.id not in have]


def _wait_listed(job: Job, made: set[str]) -> None:
    """A snapshot is listed only a while after CreateSnapshot answered; until then it would be made twice."""

    def look() -> tuple[bool | None, str]:
        listed = {one.id for one in find_snapshots(job.account, job.spec.name, job.generation)}
        return (True if made <= listed else None), f"without {', '.join(sorted(made - listed))}"

    wait_for(look, "the new snapshots to be listed", seconds=LISTED_SECONDS, stop=job.stop)


def _remove_errored(job: Job) -> None:
    """Delete what ended in `error`: EBS keeps such snapshots for ever, and all disks have a good one now."""
    for one in find_snapshots(job.account, job.spec.name, job.generation):
        if one.state == "error":
            delete_snapshot(job.account, one.id)


def _usable(job: Job) -> list[Snapshot]:
    """This generation's snapshots of the data that is on the volumes now, without those that errored.

    A snapshot of the same name and generation may be of an older life of the replication, or of data that was copied
    anew since: it must be of this volume, and of this copy. Of several for a disk, the first.
    """
    found: dict[str, Snapshot] = {}
    for one in find_snapshots(job.account, job.spec.name, job.generation):
        held = read_record(restored_file(job.generation_directory, one.disk), Restored)
        same = held is not None and (one.volume_id, one.copy) == (held.volume_id, held.copy)
        if one.state != "error" and same:
            found.setdefault(one.disk, one)
    return list(found.values())
