"""What a run builds on, checked in its preflight: no full copy over a replica, and no delta on a doubtful reference."""

from __future__ import annotations

from contextlib import closing

from runner.blocks.errors import SourceShrank
from runner.phases.job import Job
from runner.phases.reference import Reference, ReferenceMissing, check_disks, check_reference, reference_manifest
from runner.phases.sources import open_disk
from runner.phases.stop import check_may_stop
from schemas.errors import Refused
from schemas.outputs import Outputs


class NoReplica(Refused):
    """There are no volumes to bring up to date."""

    def __init__(self, replication: str) -> None:
        super().__init__(
            f"The state of {replication} has no volumes to bring up to date.",
            "Is this the right backend? A first replication is a full one: `hotadd replicate` without --mode.",
        )
        self.replication = replication


def check_spec(job: Job) -> None:
    """Before anything else, also before the synth: the spec has the disks that the reference has."""
    if job.run.kind != "full" and not job.run.repair:
        check_disks(job, reference_manifest(job))


def check_base(job: Job, outputs: Outputs | None) -> None:
    """Raise what keeps the run from building on what is there. Nothing was written before."""
    if job.run.kind == "full":
        # A full copy over a replica would take its old bytes for a blank volume's.
        if outputs is not None and outputs.launched and job.manifests.read(job.generation) is None:
            raise ReferenceMissing(job.spec.name, 0)
        return
    if outputs is None:
        raise NoReplica(job.spec.name)
    check_may_stop(job, outputs)
    if job.run.repair:
        return
    reference = check_reference(job, outputs)
    if job.run.kind == "incremental":
        _check_sizes(job, reference)


def _check_sizes(job: Job, reference: Reference) -> None:
    """Raise `SourceShrank` for a source that became smaller: an NTFS or a partition may have been cut off."""
    for record in reference.manifest.disks:
        disk = job.spec.disk(record.id)
        with closing(open_disk(disk, job.account)) as source:
            if source.size < record.source.bytes:
                raise SourceShrank(source.location, source.size, record.source.bytes)
