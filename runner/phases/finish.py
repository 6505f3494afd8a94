"""The end of a run: the manifest `finished`, slots given back, working files gone."""

from __future__ import annotations

import dataclasses
import os
import shutil

from runner.journal import seconds_between, timestamp
from runner.phases.job import Job
from runner.phases.move import require_phase
from runner.phases.reservation import release_slots
from schemas.errors import IntegrityViolated


class ManifestMissing(IntegrityViolated):
    """The manifest of the generation in the making is gone."""

    def __init__(self, path: str) -> None:
        super().__init__(f"The manifest {path} is missing.", "Restore it from a backup: the next incremental needs it.")
        self.path = path


class VolumesDiffer(IntegrityViolated):
    """The destination has other volumes than those that the manifest records."""

    def __init__(self, replication: str, disks: tuple[str, ...]) -> None:
        super().__init__(
            f"{replication} has other volumes than were copied, for {', '.join(disks)}: somebody replaced them.",
            "The replica is not what was copied. Decommission it, and replicate again.",
        )
        self.disks = disks


def finish(job: Job) -> None:
    """Write the manifest `finished`. Raises `VolumesDiffer`."""
    outputs = require_phase(job, "replicate", "target")
    manifest = job.manifests.read(job.generation)
    if manifest is None:
        raise ManifestMissing(str(job.manifests.path(job.generation)))
    other = tuple(disk.id for disk in manifest.disks if outputs.volumes.get(disk.id) != disk.volume_id)
    if other:
        raise VolumesDiffer(job.spec.name, other)
    if manifest.status != "finished":
        now = timestamp()
        done = dataclasses.replace(
            manifest,
            status="finished",
            instance_id=outputs.instance_id,
            finished=now,
            seconds=seconds_between(job.run.began or manifest.created, now),
        )
        job.manifests.write(done)
        job.journal.tell("manifest finished", f"Generation {job.generation} is on {outputs.instance_id}.")
    release_slots(job.spec, outputs.access_node_id)
    if job.generation_directory.exists():
        # In one piece: while the directory is there under its own name, this run has not ended.
        leaving = job.generation_directory.with_suffix(".done")
        shutil.rmtree(leaving, ignore_errors=True)
        os.rename(job.generation_directory, leaving)
        shutil.rmtree(leaving, ignore_errors=True)
