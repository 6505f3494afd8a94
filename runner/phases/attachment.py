"""Since when the volumes are attached to the access node: what was written before that may be gone."""

from __future__ import annotations

from runner.aws.volumes import find_by_ids
from runner.phases.job import Job
from schemas.errors import Refused
from schemas.outputs import Outputs


class NotAttached(Refused):
    """A volume is not where the state says."""

    def __init__(self, disk: str, volume_id: str, instance_id: str) -> None:
        super().__init__(
            f"The volume {volume_id} of disk {disk} is not attached to the access node {instance_id}.",
            "Somebody detached it: attach it again as `cdktf plan` says, then run the same command again.",
        )
        self.disk = disk
        self.volume_id = volume_id


def attached_since(job: Job, outputs: Outputs) -> dict[str, str]:
    """Disk id to the AttachTime of its volume on the access node, of volumes in staging. Raises `NotAttached`."""
    volumes = find_by_ids(job.account, list(outputs.volumes.values()))
    found: dict[str, str] = {}
    for disk, volume_id in outputs.volumes.items():
        volume = volumes.get(volume_id)
        held = [a for a in volume.attachments if a.instance_id == outputs.access_node_id] if volume else []
        if not held:
            raise NotAttached(disk, volume_id, outputs.access_node_id)
        found[disk] = held[0].since
    return found
