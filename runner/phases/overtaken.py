"""Whether somebody else made the generation that a run is at, or a later one: what the run left here is void then.

With a shared backend a run that died here may be gone on from elsewhere, under another number. Its own overlays and
records are still here; over the volumes' new bytes they would be corruption.
"""

from __future__ import annotations

from runner.aws.snapshots import find_snapshots
from runner.phases.job import Job
from runner.phases.records import Restored, read_record, restored_file
from runner.phases.run import Run
from schemas.errors import Refused
from schemas.manifest import DiskRecord, Manifest


class Overtaken(Refused):
    """Another run came between two tries of this one."""

    def __init__(self, replication: str, generation: int) -> None:
        super().__init__(
            f"Another run of {replication} came after generation {generation}, which this one was to make.",
            "Run `hotadd replicate` again: it begins the next generation.",
        )
        self.generation = generation


def check_not_overtaken(job: Job) -> None:
    """Raise `Overtaken`; asked right before bytes are put on the volumes that were prepared earlier."""
    if is_overtaken(job, job.run):
        raise Overtaken(job.spec.name, job.generation)


def is_overtaken(job: Job, run: Run) -> bool:
    """Whether a later generation is there, or the run's own is another's. Raises `DocumentDamaged`."""
    numbers = job.manifests.generations()
    if any(number > run.generation for number in numbers):
        return True
    # An incremental begins when no snapshot of its number is there; of a full run's name an older life may have some.
    if run.kind == "incremental" and any(
        one.generation > run.generation for one in find_snapshots(job.account, job.spec.name)
    ):
        return True
    if run.generation not in numbers:
        return False
    manifest = None if run.repair else job.manifests.read(run.generation)
    if manifest is None:
        return False
    if not job.home.generation(run.generation).exists():
        return manifest.status != "prepared"
    return any(_is_foreign(job, run, manifest, disk) for disk in manifest.disks)


def _is_foreign(job: Job, run: Run, manifest: Manifest, disk: DiskRecord) -> bool:
    """Whether a disk's record is of a copy that was not made here; one made anew since is younger than the manifest."""
    held = read_record(restored_file(job.home.generation(run.generation), disk.id), Restored)
    if held is None:
        return manifest.status != "prepared"  # what is prepared may be ours, and its data under way to be copied anew
    return held.copy != disk.copy and held.made < manifest.created
