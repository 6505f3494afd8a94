"""EBS volumes as this program sees them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.aws.account import Account, aws_errors
from runner.aws.waiting import wait_for
from schemas.naming import TAG_DISK, TAG_REPLICATION, TAG_ROLE

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import FilterTypeDef, VolumeTypeDef

_DETACH_SECONDS = 600.0  # a busy Nitro instance may take minutes to let go of a volume


@dataclass(frozen=True)
class Attachment:
    """Where a volume is attached; `state` is attaching, attached, detaching or busy.

    `since` is when this very attachment was made, as ISO 8601 has it; a later one has a later time.
    """

    instance_id: str
    device: str
    state: str
    since: str = ""


@dataclass(frozen=True)
class Volume:
    """One EBS volume. `size_gib` in GiB; `disk` and `role` from our tags, empty where there are none."""

    id: str
    state: str
    size_gib: int
    zone: str
    encrypted: bool
    snapshot_id: str
    attachments: tuple[Attachment, ...]
    replication: str
    disk: str
    role: str


def _volume(raw: VolumeTypeDef) -> Volume:
    tags = {tag["Key"]: tag["Value"] for tag in raw.get("Tags", [])}
    attachments = tuple(
        Attachment(
            a.get("InstanceId", ""),
            a.get("Device", ""),
            a.get("State", ""),
            a["AttachTime"].isoformat() if "AttachTime" in a else "",
        )
        for a in raw.get("Attachments", [])
    )
    return Volume(
        id=raw["VolumeId"],
        state=raw["State"],
        size_gib=raw["Size"],
        zone=raw["AvailabilityZone"],
        encrypted=raw.get("Encrypted", False),
        snapshot_id=raw.get("SnapshotId", ""),
        attachments=attachments,
        replication=tags.get(TAG_REPLICATION, ""),
        disk=tags.get(TAG_DISK, ""),
        role=tags.get(TAG_ROLE, ""),
    )


def _find(account: Account, filters: Sequence[FilterTypeDef]) -> list[Volume]:
    with aws_errors("ec2:DescribeVolumes"):
        pages = account.ec2.get_paginator("describe_volumes").paginate(Filters=filters)
        found = [_volume(raw) for page in pages for raw in page["Volumes"]]
    return sorted(found, key=lambda v: v.id)


def find_by_ids(account: Account, ids: Sequence[str]) -> dict[str, Volume]:
    """The volumes among `ids` that exist, by id."""
    if not ids:
        return {}
    # A filter, not VolumeIds: that raises for the first id that is gone.
    return {v.id: v for v in _find(account, [{"Name": "volume-id", "Values": list(ids)}])}


def find_tagged(account: Account, replication: str, role: str) -> list[Volume]:
    """The volumes that carry our tags of that replication and role."""
    return _find(
        account,
        [
            {"Name": f"tag:{TAG_REPLICATION}", "Values": [replication]},
            {"Name": f"tag:{TAG_ROLE}", "Values": [role]},
        ],
    )


def find_attached(account: Account, instance_id: str) -> list[Volume]:
    """The volumes attached to an instance."""
    return _find(account, [{"Name": "attachment.instance-id", "Values": [instance_id]}])


def detach(account: Account, volume: Volume, instance_id: str, stop: Callable[[], bool]) -> None:
    """Detach a volume from that very instance and wait until it is available.

    InstanceId goes along so that a volume which moved in the meantime is not pulled off another instance.
    """
    attached = [a for a in volume.attachments if a.instance_id == instance_id]
    if attached and attached[0].state != "detaching":
        with aws_errors("ec2:DetachVolume"):
            account.ec2.detach_volume(VolumeId=volume.id, InstanceId=instance_id)

    def look() -> tuple[bool | None, str]:
        now = find_by_ids(account, [volume.id]).get(volume.id)
        if now is None or now.state == "available":
            return True, "gone" if now is None else now.state
        return None, now.state

    wait_for(look, f"{volume.id} to leave {instance_id}", seconds=_DETACH_SECONDS, stop=stop)


def tag(account: Account, volume_id: str, tags: dict[str, str]) -> None:
    """Give a volume tags, beside those it has."""
    with aws_errors("ec2:CreateTags"):
        account.ec2.create_tags(Resources=[volume_id], Tags=[{"Key": k, "Value": v} for k, v in tags.items()])


def delete(account: Account, volume_id: str) -> None:
    """Delete a volume; one that is gone already is no error."""
    if volume_id in find_by_ids(account, [volume_id]):
        with aws_errors("ec2:DeleteVolume"):
            account.ec2.delete_volume(VolumeId=volume_id)
