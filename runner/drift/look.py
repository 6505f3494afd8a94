"""One look at a replica: its infrastructure by a plan, its data by snapshots taken for this look.

It applies nothing and takes no lock of the replication's: a run may begin meanwhile, and then the look is void. A look
that is killed leaves temporary snapshots, which the next one removes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from runner.atomic import write_atomically
from runner.aws.launches import find_launch
from runner.aws.volumes import find_by_ids
from runner.drift.disks import begin_snapshots, look_at_disks
from runner.drift.files import name_files
from runner.drift.stack import look_at_stack
from runner.drift.traces import temporaries
from runner.home import AlreadyRunning, Home
from runner.journal import timestamp
from runner.phases.holder import holder_of
from runner.phases.job import Job
from schemas.document import read_document, write_document
from schemas.drift import Deviation, Drift, DriftedDisk
from schemas.errors import HotaddError, Refused
from schemas.manifest import Manifest


class NotReplicated(Refused):
    """There is no finished replica to look at."""

    def __init__(self, replication: str, status: str) -> None:
        super().__init__(
            f"{replication} has no finished replica ({status}).", "`hotadd replicate` makes or finishes one."
        )
        self.replication = replication
        self.status = status


class ReplicaMoved(HotaddError):
    """A replication ended while the replica was looked at."""

    def __init__(self, replication: str) -> None:
        super().__init__(
            f"{replication} was replicated while it was looked at: what was found says nothing.",
            "Run the same command again.",
        )
        self.replication = replication


@dataclass(frozen=True)
class Wanted:
    """What to look at. `whole`: compare every block with the digests, also without an integrity snapshot.

    `files`: tell which files the differing blocks belong to, on the access node.
    """

    infrastructure: bool = True
    data: bool = True
    whole: bool = False
    files: bool = False


def drift_file(home: Home) -> Path:
    """Where the last look's answer stands."""
    return home.work / "drift.json"


def last_drift(home: Home) -> Drift | None:
    """The last look's answer, if there was a look. Raises `DocumentDamaged`."""
    file = drift_file(home)
    return read_document(file.read_bytes(), "drift", Drift, str(file)) if file.exists() else None


def look(job: Job, wanted: Wanted) -> Drift:
    """Look at a replica, and write down what was found. Raises `NotReplicated`, `AlreadyRunning`, `ReplicaMoved`."""
    manifest = _finished(job)
    before = find_launch(job.account, manifest.instance_id)
    infrastructure: tuple[Deviation, ...] = ()
    notes: tuple[str, ...] = ()
    disks: tuple[DriftedDisk, ...] = ()
    with temporaries(job) as made:
        volumes = find_by_ids(job.account, [disk.volume_id for disk in manifest.disks])
        if wanted.data:
            begin_snapshots(job, manifest, volumes, made)
        if wanted.infrastructure:
            infrastructure, notes = look_at_stack(job, manifest, before, volumes)
        if wanted.data:
            disks = look_at_disks(job, manifest, made, whole=wanted.whole)
            disks = name_files(job, disks, made) if wanted.files else disks
    after = find_launch(job.account, manifest.instance_id)
    if _finished(job).generation != manifest.generation:
        raise ReplicaMoved(job.spec.name)
    seen = [launch for launch in (before, after) if launch is not None]
    drift = Drift(
        version=1,
        replication=job.spec.name,
        generation=manifest.generation,
        checked=timestamp(),
        instance_id=after.instance_id if after is not None else "",
        instance_state=after.state if after is not None else "gone",
        since_launch=any(launch.with_volumes for launch in seen),
        moving=any(launch.state != "stopped" for launch in seen),
        infrastructure_looked=wanted.infrastructure,
        data_looked=wanted.data,
        infrastructure=infrastructure,
        disks=disks,
        notes=notes,
    )
    write_atomically(drift_file(job.home), write_document(drift, "drift"))
    return drift


def _finished(job: Job) -> Manifest:
    """The manifest of the replica that stands. Raises also while somebody works on it: it is on the move then."""
    holder = holder_of(job.spec, job.home)
    if holder:
        raise AlreadyRunning(job.spec.name, holder)
    manifest = job.manifests.latest()
    if manifest is None or manifest.status != "finished":
        raise NotReplicated(job.spec.name, "none yet" if manifest is None else f"the last one is {manifest.status}")
    return manifest
