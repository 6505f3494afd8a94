"""What a run that died in the middle of an apply left: resources that the state does not know.

Seen with a kill in the middle of an apply: four volumes for two disks, and an empty state. Before the next apply,
ours are found by tag; one a disk is imported, blank duplicates are deleted.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runner.aws.instances import Instance, InstanceGone, find_destinations, find_instance
from runner.aws.volumes import Volume, delete, find_attached, find_tagged, tag
from runner.aws.waiting import wait_for
from runner.journal import timestamp
from runner.phases.job import Job
from runner.phases.readable import readable_manifests
from runner.phases.records import Applying, Restored, applying_file, read_record, restored_file, write_record
from runner.terraform.guard import DESTINATION, VOLUME, PlanRefused
from runner.terraform.project import Project, Variables
from schemas.errors import Refused
from schemas.manifest import DiskRecord
from schemas.naming import address, tags


class StateLacks(Refused):
    """Resources tagged as ours exist that the state does not know, and no run of ours died."""

    def __init__(self, replication: str, ids: tuple[str, ...]) -> None:
        super().__init__(
            f"{', '.join(ids)} carry the tags of {replication}, but its state does not know them.",
            "Is this the right backend? If its state was lost, bring it back; else remove them or their tags.",
        )
        self.replication = replication
        self.ids = ids


class ManyDestinations(Refused):
    """Several instances carry the destination's tags."""

    def __init__(self, replication: str, ids: tuple[str, ...]) -> None:
        super().__init__(
            f"Several instances carry the tags of {replication}'s destination: {', '.join(ids)}.",
            "Terminate, or untag, all but one; then run the same command again.",
        )
        self.ids = ids


_ROOT_SECONDS = 300.0


def _marker(job: Job) -> Path:
    return applying_file(job.home.work)


@contextmanager
def applying(job: Job, step: str) -> Iterator[None]:
    """Mark that a plan and its apply run; the mark stays when they do not come to their end.

    A plan that was refused is an end: nothing was applied.
    """
    write_record(_marker(job), Applying(step, os.getpid(), timestamp()))
    try:
        yield
    except PlanRefused:
        _marker(job).unlink(missing_ok=True)
        raise
    _marker(job).unlink(missing_ok=True)


def check_known(job: Job, project: Project) -> None:
    """Raise `StateLacks` when ours exist that the state lacks, unless a run of ours died in an apply."""
    if _marker(job).exists():
        return
    known = set(project.resources().values())
    found = find_tagged(job.account, job.spec.name, "volume")
    ours = [v.id for v in found if v.state not in ("deleting", "deleted")]
    ours += [i.id for i in find_destinations(job.account, job.spec.name)]
    lost = tuple(sorted(set(ours) - known))
    if lost:
        raise StateLacks(job.spec.name, lost)


def recover(job: Job, project: Project, variables: Variables) -> None:
    """Bring what a dead apply made into the state, and delete its blank duplicates.

    Raises `StateLacks` when something is there that no dead run explains: a state that was lost since preflight would
    have every volume made a second time.
    """
    if not _marker(job).exists():
        check_known(job, project)
        return
    resources = project.resources()
    for place in sorted(project.tainted()):
        # Made, and then something failed (a tag refused, a wait that ended): prevent_destroy would for ever refuse the
        # replacement that Terraform plans. What it lacks, the next apply puts right.
        job.journal.tell("recovery", f"{place}, which an apply left half made, is taken as it is.")
        project.untaint(place)
    found = find_tagged(job.account, job.spec.name, "volume")
    damaged = readable_manifests(job.manifests)[1]
    for disk in job.spec.source.disks:
        place = f"{VOLUME}.{address(disk.id)}"
        mine = [v for v in found if v.disk == disk.id and v.state not in ("deleting", "deleted")]
        kept = resources.get(place)
        if kept is None and mine:
            kept = _best(job, mine).id
            job.journal.tell("recovery", f"{kept}, made by a run that died, goes into the state as {place}.")
            project.adopt(place, kept, variables)
        for volume in mine:
            if volume.id != kept and _blank(job, volume):
                if damaged:  # it may be what that one records
                    job.journal.tell("recovery", f"{volume.id}, not {kept}, stays: {damaged[0]}")
                    continue
                job.journal.tell("recovery", f"{volume.id}, a blank duplicate of {kept}, is deleted.")
                delete(job.account, volume.id)
    _recover_destination(job, project, resources, variables)
    _marker(job).unlink(missing_ok=True)


def _recover_destination(job: Job, project: Project, resources: dict[str, str], variables: Variables) -> None:
    place = f"{DESTINATION}[0]"
    living = find_destinations(job.account, job.spec.name)
    if not living:
        return
    if place in resources:
        for instance in living:
            if instance.id == resources[place] and instance.root_device in instance.devices:
                _tag_shell_root(job, instance)
        return
    if len(living) > 1:
        raise ManyDestinations(job.spec.name, tuple(i.id for i in living))
    _tag_shell_root(job, _with_root(job, living[0]))
    job.journal.tell("recovery", f"{living[0].id}, launched by a run that died, goes into the state as {place}.")
    launched = Variables("detached", True, variables.slots, variables.root_device)
    project.adopt(place, living[0].id, launched)


def _with_root(job: Job, instance: Instance) -> Instance:
    """The instance once its block devices are known: a pending one may have none yet."""

    def look() -> tuple[Instance | None, str]:
        now = find_instance(job.account, instance.id)
        if now is None:
            raise InstanceGone(instance.id, "the destination")
        return (now if now.root_device in now.devices else None), now.state

    return wait_for(look, f"the root device of {instance.id}", seconds=_ROOT_SECONDS, stop=job.stop)


def _tag_shell_root(job: Job, instance: Instance) -> None:
    """Tag the root that came with an instance which a dead run launched.

    The AWS provider tags it by a call of its own, only once the instance runs (10 s after RunInstances); a run that
    died in between leaves a root that the root swap must refuse as somebody else's.
    """
    root_id = instance.devices.get(instance.root_device, "")
    for volume in find_attached(job.account, instance.id):
        # Made from the AMI's snapshot, and nobody's yet: the replica's own volumes carry tags from their creation.
        if volume.id == root_id and volume.snapshot_id and not volume.replication:
            tag(job.account, volume.id, tags(job.spec.name, "shell-root", extra=job.spec.tags))
            job.journal.tell("recovery", f"{volume.id}, the shell's root, has its tags.")


def _best(job: Job, volumes: list[Volume]) -> Volume:
    """The one to keep of several: one that holds data or is attached, else the first by id."""
    return min(volumes, key=lambda v: (_blank(job, v), v.id))


def _blank(job: Job, volume: Volume) -> bool:
    """Whether a volume was never more than an empty volume: unattached, made from nothing, in no record of ours."""
    restored = read_record(restored_file(job.generation_directory, volume.disk), Restored)
    written = restored is not None and restored.volume_id == volume.id
    if written or any(disk.volume_id == volume.id for disk in _recorded(job)):
        return False
    return volume.state == "available" and not volume.attachments and not volume.snapshot_id


def _recorded(job: Job) -> list[DiskRecord]:
    """The disks of every manifest that can be read."""
    return [disk for manifest in readable_manifests(job.manifests)[0] for disk in manifest.disks]
