"""The integrity snapshots: the source's bytes, before anything is injected."""

from __future__ import annotations

from runner.aws.snapshots import (
    Snapshot,
    SnapshotErrored,
    create_snapshot,
    delete_snapshot,
    find_snapshots,
    wait_completed,
)
from runner.phases.job import Job
from runner.phases.move import require_phase
from runner.phases.records import Restored, is_committed, read_record, restored_file
from schemas.errors import IntegrityViolated, Refused

# EBS ends a snapshot in `error` rarely and for reasons of its own; three times in a row is not chance.
_TRIES = 3


class NotRestored(Refused):
    """A disk's data is not complete on its volume."""

    def __init__(self, disk: str) -> None:
        super().__init__(f"The data of disk {disk} is not complete on its volume.", "Run `hotadd restore` first.")
        self.disk = disk


class InjectedAlready(IntegrityViolated):
    """The volumes were injected, so that a snapshot taken now would not hold the source's bytes."""

    def __init__(self, disk: str) -> None:
        super().__init__(
            f"Disk {disk} has no integrity snapshot, and its volume was injected already.",
            "Remove work/generation-* of this replication and replicate again: the data must be copied anew.",
        )
        self.disk = disk


def snapshot(job: Job) -> None:
    """Start the integrity snapshot of every disk that has none (by tag: the call has no client token)."""
    injected = is_committed(job.generation_directory)
    have = {s.disk for s in _usable(job)}
    missing = [d.id for d in job.spec.source.disks if d.id not in have]
    if not missing:
        return
    volumes = require_phase(job, "snapshot", "staging").volumes
    for disk in missing:
        restored = read_record(restored_file(job.generation_directory, disk), Restored)
        if injected:
            raise InjectedAlready(disk)
        if restored is None or restored.volume_id != volumes[disk]:
            raise NotRestored(disk)
        made = create_snapshot(job.account, job.spec.name, job.generation, disk, volumes[disk], extra=job.spec.tags)
        job.journal.tell("snapshot", f"{made} of {volumes[disk]} ({disk}).")


def complete_snapshots(job: Job) -> None:
    """Wait until every integrity snapshot is completed; one that ends in `error` is taken again."""
    for tried in range(1, _TRIES + 1):
        snapshot(job)
        try:
            for one in _usable(job):
                wait_completed(job.account, one, job.spec.name, job.stop)
            _remove_errored(job)
            return
        except SnapshotErrored as error:
            if tried == _TRIES:
                raise
            job.journal.tell("snapshots completed", f"{error.sentence} It is taken again.")


def completed_snapshots(job: Job) -> dict[str, str]:
    """Disk id to the id of its completed integrity snapshot, for the disks that have one."""
    return {s.disk: s.id for s in _usable(job) if s.state == "completed"}


def _remove_errored(job: Job) -> None:
    """Delete what ended in `error`: EBS keeps such snapshots for ever, and all disks have a good one now."""
    for one in find_snapshots(job.account, job.spec.name, job.generation):
        if one.state == "error":
            delete_snapshot(job.account, one.id)


def _usable(job: Job) -> list[Snapshot]:
    """This generation's snapshots without those that errored; of several for a disk, the first."""
    found: dict[str, Snapshot] = {}
    for one in find_snapshots(job.account, job.spec.name, job.generation):
        if one.state != "error":
            found.setdefault(one.disk, one)
    return list(found.values())
