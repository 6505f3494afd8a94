"""The root swap: the shell's own root volume goes, so that the replica's boot disk can take its place."""

from __future__ import annotations

from runner.aws.instances import find_instance, stop_instance
from runner.aws.volumes import Volume, delete, detach, find_attached, find_tagged
from runner.phases.job import Job
from schemas.errors import Refused
from schemas.outputs import Outputs


class NotLaunched(Refused):
    """There is no destination instance."""

    def __init__(self, replication: str) -> None:
        super().__init__(
            f"{replication} has no destination instance yet.",
            "Apply with launched=true first (`cdktf deploy ... --var phase=detached --var launched=true`).",
        )


class ForeignRoot(Refused):
    """The volume at the destination's root device is neither the shell's nor ours to remove."""

    def __init__(self, instance_id: str, volume_id: str) -> None:
        super().__init__(
            f"{volume_id}, the root of {instance_id}, does not carry the shell's tag: it is not deleted.",
            "Somebody changed the instance. Detach that volume yourself, then run the same command again.",
        )
        self.instance_id = instance_id
        self.volume_id = volume_id


def swap_root(job: Job) -> None:
    """Stop the destination, detach and delete the shell's own root. Nothing happens once it is gone.

    Only a volume that carries the shell root's tag and is absent from the outputs is deleted: a rerun must never
    delete the replica.
    """
    outputs = job.project().outputs()
    if outputs is None or not outputs.instance_id:
        raise NotLaunched(job.spec.name)
    if outputs.phase == "target":
        return
    instance_id = outputs.instance_id
    instance = find_instance(job.account, instance_id)
    if instance is None:
        raise NotLaunched(job.spec.name)
    stop_instance(job.account, instance_id, job.stop)
    root_id = instance.devices.get(instance.root_device, "")
    for volume in find_attached(job.account, instance_id):
        if volume.id == root_id:
            if not _is_shell(volume, job, outputs):
                raise ForeignRoot(instance_id, volume.id)
            detach(job.account, volume, instance_id, job.stop)
            job.journal.tell("root swap", f"{volume.id}, the shell's root, is detached from {instance_id}.")
    for volume in find_tagged(job.account, job.spec.name, "shell-root"):
        if _is_shell(volume, job, outputs) and volume.state == "available":
            delete(job.account, volume.id)
            job.journal.tell("root swap", f"{volume.id}, the shell's root, is deleted.")


def _is_shell(volume: Volume, job: Job, outputs: Outputs) -> bool:
    ours = volume.role == "shell-root" and volume.replication == job.spec.name and not volume.disk
    return ours and volume.id not in outputs.volumes.values()
