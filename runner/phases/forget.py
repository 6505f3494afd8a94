"""The end of a restore without replication: the machine runs, and nothing is kept that costs or that nobody will use.

The manifest stays as a record of what was restored; its reference goes: integrity snapshots and digest files. The
machine's own state stays, so that `hotadd decommission` can remove the machine, and a repair take it up again.
"""

from __future__ import annotations

import dataclasses

from runner.aws.snapshots import find_snapshots
from runner.phases.finish import ManifestMissing
from runner.phases.job import Job
from runner.phases.prune import delete_unless_wanted


def forget_reference(job: Job) -> None:
    """Mark the generation as pruned, and delete its integrity snapshots and digests.

    Marked first, so that nothing ever refers to a snapshot that is gone; a kill after that leaves snapshots, which the
    same step deletes when it is run again.
    """
    manifest = job.manifests.read(job.generation)
    if manifest is None:
        raise ManifestMissing(str(job.manifests.path(job.generation)))
    if manifest.status != "pruned":
        job.manifests.write(dataclasses.replace(manifest, status="pruned"))
        job.journal.tell("forget", f"{manifest.instance_id} is restored; its integrity snapshots are deleted.")
    job.manifests.drop_digests(job.generation)
    ours = {disk.volume_id for disk in manifest.disks}
    for one in find_snapshots(job.account, job.spec.name):
        if one.volume_id in ours:
            delete_unless_wanted(job, one)
