"""The reference of an incremental: the manifest, digests and snapshots that it stands on, checked before any write."""

from __future__ import annotations

import math
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from runner.aws.snapshots import Snapshot, find_snapshots
from runner.phases.digestfiles import REPAIR, open_digests
from runner.phases.finish import VolumesDiffer
from runner.phases.job import Job
from schemas.errors import IntegrityViolated, Refused
from schemas.manifest import DiskRecord, Manifest
from schemas.outputs import Outputs


class ReferenceMissing(IntegrityViolated):
    """There is no manifest to start from, though the machine is replicated."""

    def __init__(self, replication: str, generation: int) -> None:
        which = f"manifest of generation {generation}" if generation else "manifest"
        super().__init__(f"{replication} is replicated, but its {which} is missing.", REPAIR)
        self.generation = generation


class ReferenceForeign(IntegrityViolated):
    """The manifest is another machine's."""

    def __init__(self, path: str, field: str, found: str, wanted: str) -> None:
        super().__init__(f"The manifest {path} is of the {field} {found}, not {wanted}.", REPAIR)
        self.field = field
        self.found = found


class ReferenceOutdated(IntegrityViolated):
    """There are integrity snapshots of later generations than the newest manifest."""

    def __init__(self, replication: str, latest: int, found: int, snapshot_id: str) -> None:
        super().__init__(
            f"The newest manifest of {replication} is of generation {latest}, but {snapshot_id} is of {found}.",
            "An old copy of the manifests was put back, or another machine replicated: bring the newest ones. Or run "
            "with --repair, which compares whole volumes with the source.",
        )
        self.latest = latest
        self.found = found


class SnapshotMissing(IntegrityViolated):
    """An integrity snapshot is gone."""

    def __init__(self, snapshot_id: str, disk: str) -> None:
        super().__init__(
            f"The integrity snapshot {snapshot_id} of disk {disk} does not exist, or lost its tags.",
            "Run with --repair, which compares whole volumes with the source.",
        )
        self.snapshot_id = snapshot_id
        self.disk = disk


class SnapshotUnfinished(IntegrityViolated):
    """An integrity snapshot is not completed. `state` as EC2 has it."""

    def __init__(self, snapshot_id: str, disk: str, state: str) -> None:
        super().__init__(
            f"The integrity snapshot {snapshot_id} of disk {disk} is {state}, not completed.",
            "If it is pending, wait; else run with --repair, which compares whole volumes with the source.",
        )
        self.snapshot_id = snapshot_id
        self.state = state


class SnapshotForeign(IntegrityViolated):
    """An integrity snapshot is of another volume, or of another copy, than the manifest says."""

    def __init__(self, snapshot_id: str, disk: str, field: str, found: str, wanted: str) -> None:
        super().__init__(
            f"The integrity snapshot {snapshot_id} of disk {disk} is of the {field} {found or '(none)'}, not {wanted}.",
            "Run with --repair, which compares whole volumes with the source.",
        )
        self.snapshot_id = snapshot_id
        self.field = field


class DisksAdded(Refused):
    """The spec has disks that the replica lacks."""

    def __init__(self, replication: str, disks: tuple[str, ...]) -> None:
        super().__init__(
            f"The spec of {replication} has disks that the replica lacks: {', '.join(disks)}.",
            "A replica keeps its disks. Take them out, or decommission the replica and replicate anew.",
        )
        self.disks = disks


class DisksRemoved(Refused):
    """The replica has disks that the spec lacks."""

    def __init__(self, replication: str, disks: tuple[str, ...]) -> None:
        super().__init__(
            f"The spec of {replication} lacks disks of the replica: {', '.join(disks)}.",
            "Put them back, or decommission the replica and replicate anew.",
        )
        self.disks = disks


class DisksReordered(Refused):
    """The spec names the replica's disks in another order: the guest would get them so."""

    def __init__(self, replication: str, before: tuple[str, ...], now: tuple[str, ...]) -> None:
        super().__init__(
            f"The disks of {replication} were {', '.join(before)}; the spec now has {', '.join(now)}.",
            "Put them in their old order: it gives the device names.",
        )
        self.before = before
        self.now = now


class VolumeShrunk(Refused):
    """The spec wants a smaller volume than there is; sizes in GiB."""

    def __init__(self, disk: str, before: int, now: int) -> None:
        super().__init__(
            f"The volume of disk {disk} has {before} GiB; the spec now says {now}.",
            f"EBS volumes only grow: set size_gib to {before} or more.",
        )
        self.disk = disk
        self.before = before
        self.now = now


@dataclass(frozen=True)
class Reference:
    """A manifest that was checked, and its digest files by disk id."""

    manifest: Manifest
    digests: dict[str, Path]

    def disk(self, disk_id: str) -> DiskRecord:
        """The record of a disk."""
        return next(disk for disk in self.manifest.disks if disk.id == disk_id)


def reference_manifest(job: Job) -> Manifest:
    """The run's reference as it was written. Raises `DocumentDamaged`, `ReferenceMissing`, `ReferenceForeign`."""
    manifest = job.manifests.read(job.run.reference) if job.run.reference else None
    if manifest is None or manifest.status == "pruned":
        raise ReferenceMissing(job.spec.name, job.run.reference)
    path = str(job.manifests.path(manifest.generation))
    for field, found, wanted in (
        ("replication", manifest.replication, job.spec.name),
        ("generation", str(manifest.generation), str(job.run.reference)),
        ("region", manifest.region, job.spec.region),
    ):
        if found != wanted:
            raise ReferenceForeign(path, field, found, wanted)
    return manifest


def check_disks(job: Job, manifest: Manifest) -> None:
    """Refuse a spec with other disks than the reference. Raises the class that says what changed."""
    before = tuple(disk.id for disk in manifest.disks)
    now = tuple(disk.id for disk in job.spec.source.disks)
    if added := tuple(disk for disk in now if disk not in before):
        raise DisksAdded(job.spec.name, added)
    if removed := tuple(disk for disk in before if disk not in now):
        raise DisksRemoved(job.spec.name, removed)
    if before != now:
        raise DisksReordered(job.spec.name, before, now)
    for disk in manifest.disks:
        gib = math.ceil(disk.volume_bytes / (1 << 30))
        if job.spec.disk(disk.id).size_gib < gib:
            raise VolumeShrunk(disk.id, gib, job.spec.disk(disk.id).size_gib)


def check_reference(job: Job, outputs: Outputs) -> Reference:
    """Check everything that the run stands on; nothing was written before. Each fault has its class."""
    manifest = reference_manifest(job)
    check_disks(job, manifest)
    other = tuple(disk.id for disk in manifest.disks if outputs.volumes.get(disk.id) != disk.volume_id)
    if other:
        raise VolumesDiffer(job.spec.name, other)
    digests: dict[str, Path] = {}
    for disk in manifest.disks:
        with closing(open_digests(job.manifests, manifest.generation, disk)) as file:
            digests[disk.id] = file.path
    held = {s.id: s for s in find_snapshots(job.account, job.spec.name)}
    for disk in manifest.disks:
        _check_snapshot(disk, held.get(disk.integrity_snapshot_id))
    return Reference(manifest, digests)


def check_newest(job: Job) -> None:
    """Raise `ReferenceOutdated` when snapshots tell of a later generation than the run's reference and all before it.

    Asked once, when a run begins: from then on there are its own.
    """
    for one in find_snapshots(job.account, job.spec.name):
        if one.generation >= job.generation and one.state == "completed":
            raise ReferenceOutdated(job.spec.name, job.run.reference, one.generation, one.id)


def _check_snapshot(disk: DiskRecord, found: Snapshot | None) -> None:
    if found is None:
        raise SnapshotMissing(disk.integrity_snapshot_id, disk.id)
    if found.state != "completed":
        raise SnapshotUnfinished(found.id, disk.id, found.state)
    for field, is_now, wanted in (("volume", found.volume_id, disk.volume_id), ("copy", found.copy, disk.copy)):
        if is_now != wanted:
            raise SnapshotForeign(found.id, disk.id, field, is_now, wanted)
