"""The infrastructure of a replica, looked at by a plan that nobody applies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from runner.aws.launches import Launch
from runner.aws.snapshots import find_states
from runner.aws.volumes import Volume
from runner.drift.infrastructure import deviations, snapshot_deviations
from runner.phases.finish import VolumesDiffer
from runner.phases.job import Job
from runner.phases.readable import readable_manifests
from runner.terraform.guard import ATTACHMENT, VOLUME
from runner.terraform.project import Variables
from schemas.drift import Deviation
from schemas.errors import Refused
from schemas.manifest import Manifest
from schemas.naming import address


class NothingApplied(Refused):
    """The replica's Terraform state is empty, although a manifest says that it was replicated."""

    def __init__(self, replication: str) -> None:
        super().__init__(
            f"{replication} was replicated, but its Terraform state is empty.",
            "Is this the right backend? If its state was lost, bring it back.",
        )
        self.replication = replication


def look_at_stack(
    job: Job, manifest: Manifest, launch: Launch | None, volumes: Mapping[str, Volume]
) -> tuple[tuple[Deviation, ...], tuple[str, ...]]:
    """What differs, and what a reader should know about it. `volumes` are those of the manifest that exist.

    Raises `VolumesDiffer` when the state has other volumes than were replicated.
    """
    project, notes = job.project(), []
    outputs = project.outputs()
    if outputs is None:
        raise NothingApplied(job.spec.name)
    other = tuple(d.id for d in manifest.disks if outputs.volumes.get(d.id) != d.volume_id)
    if other:
        raise VolumesDiffer(job.spec.name, other)
    found: list[Deviation] = []
    if outputs.phase != "target":
        found.append(Deviation("phase", "", "changed", "phase", "target", outputs.phase, "world"))
    # Provider 3.39 panics when it refreshes an instance without block devices whose state lists some.
    bare = launch is not None and not launch.volumes
    if bare:
        notes.append(
            "The destination has no volumes: Terraform cannot refresh it, and its attributes were not looked at."
        )
        found += _by_hand(manifest, volumes)
    variables = Variables(outputs.phase, outputs.launched, outputs.slots, outputs.root_device)
    plan = project.plan("drift", variables, refresh=not bare)
    if plan.failure is not None:
        notes.append(plan.failure.sentence)
    found += (_placed(one, manifest, volumes) for one in deviations(plan.plan))
    manifests, damaged = readable_manifests(job.manifests)
    notes += (f"{sentence} Its snapshots were not looked at." for sentence in damaged)
    ids = [disk.integrity_snapshot_id for one in manifests if one.status != "pruned" for disk in one.disks]
    states = {id_: state for id_, (state, _) in find_states(job.account, ids).items()}
    return (*found, *snapshot_deviations(manifests, states)), tuple(notes)


def _placed(one: Deviation, manifest: Manifest, volumes: Mapping[str, Volume]) -> Deviation:
    """The same, with where a volume is that is not attached where it should be."""
    for disk in manifest.disks:
        if one.subject == f"{ATTACHMENT}.target_{address(disk.id)}[0]" and disk.volume_id in volumes:
            for at in volumes[disk.volume_id].attachments:
                return replace(one, found=f"on {at.instance_id} as {at.device}")
    return one


def _by_hand(manifest: Manifest, volumes: Mapping[str, Volume]) -> Iterator[Deviation]:
    """What a refresh would have seen of the volumes."""
    for disk in manifest.disks:
        place = address(disk.id)
        if disk.volume_id not in volumes:
            yield Deviation(f"{VOLUME}.{place}", disk.volume_id, "missing", "", "there", "not there", "world")
        attachments = volumes[disk.volume_id].attachments if disk.volume_id in volumes else ()
        if all(one.instance_id != manifest.instance_id for one in attachments):
            where = f"on {attachments[0].instance_id} as {attachments[0].device}" if attachments else "not there"
            subject = f"{ATTACHMENT}.target_{place}[0]"
            yield Deviation(subject, disk.volume_id, "detached", "", "there", where, "world")
