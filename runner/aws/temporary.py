"""Snapshots and volumes that are made for a look alone: they carry who made them and when anybody may remove them.

Whoever makes some begins by sweeping what its own dead forerunner left, and what has expired, whoever left it. A maker
works under a lock, so that what carries its name and is found at the start is nobody's any more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from runner.aws.account import Account, CallFailed, aws_errors
from runner.aws.waiting import wait_for
from schemas.errors import HotaddError
from schemas.naming import TAG_EXPIRES, TAG_MAKER, TAG_REPLICATION, TAG_ROLE, tags

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import FilterTypeDef

# Longer than a first snapshot of the largest volume takes; after it, any run of any machine removes what is left.
_LIFE = timedelta(hours=48)
_CREATE_SECONDS = 600.0


class TemporaryErrored(HotaddError):
    """EBS could not complete a snapshot that was taken for a look, or somebody deleted it (`gone`)."""

    def __init__(self, snapshot_id: str, volume_id: str, state: str = "error") -> None:
        super().__init__(
            f"The temporary snapshot {snapshot_id} of {volume_id} ended in {state}.",
            "EBS rarely fails one, for reasons of its own; or it was deleted. Run the same command again.",
        )
        self.snapshot_id = snapshot_id
        self.volume_id = volume_id


@dataclass(frozen=True)
class Temporary:
    """A snapshot or volume (by its id's prefix) that somebody made for a look. `expires` as its tag has it."""

    id: str
    maker: str
    expires: str

    def is_over(self, now: str) -> bool:
        """Whether anybody may remove it. Times in UTC sort as text."""
        return self.expires < now


def snapshot_for_a_look(
    account: Account, replication: str, disk: str, volume_id: str, maker: str, extra: Mapping[str, str]
) -> str:
    """Start a snapshot of a volume; its id."""
    with aws_errors("ec2:CreateSnapshot"):
        answer = account.ec2.create_snapshot(
            VolumeId=volume_id,
            Description=f"hotadd: a look at {replication}, disk {disk}; may be removed",
            TagSpecifications=[{"ResourceType": "snapshot", "Tags": _tags(replication, disk, maker, extra)}],
        )
    return answer["SnapshotId"]


def volume_for_a_look(
    account: Account, replication: str, disk: str, snapshot_id: str, zone: str, maker: str, extra: Mapping[str, str]
) -> str:
    """Make a volume from a completed snapshot; its id."""
    with aws_errors("ec2:CreateVolume"):
        return account.ec2.create_volume(
            SnapshotId=snapshot_id,
            AvailabilityZone=zone,
            VolumeType="gp3",
            TagSpecifications=[{"ResourceType": "volume", "Tags": _tags(replication, disk, maker, extra)}],
        )["VolumeId"]


def wait_available(account: Account, volume_id: str, stop: Callable[[], bool]) -> None:
    """Wait until a volume can be attached."""

    def look() -> tuple[bool | None, str]:
        with aws_errors("ec2:DescribeVolumes"):
            found = account.ec2.describe_volumes(Filters=[{"Name": "volume-id", "Values": [volume_id]}])["Volumes"]
        state = found[0]["State"] if found else "not listed"
        return (True if state == "available" else None), state

    wait_for(look, f"{volume_id} to be available", seconds=_CREATE_SECONDS, stop=stop)


def attach(account: Account, volume_id: str, instance_id: str, device: str) -> None:
    """Attach a volume that is available; its device appears a moment later."""
    with aws_errors("ec2:AttachVolume"):
        account.ec2.attach_volume(VolumeId=volume_id, InstanceId=instance_id, Device=device)


def find_temporary(account: Account, replication: str) -> list[Temporary]:
    """What was made for looks at a replication and still exists."""
    filters: list[FilterTypeDef] = [
        {"Name": f"tag:{TAG_REPLICATION}", "Values": [replication]},
        {"Name": f"tag:{TAG_ROLE}", "Values": ["temporary"]},
    ]
    with aws_errors("ec2:DescribeSnapshots"):
        pages = account.ec2.get_paginator("describe_snapshots").paginate(OwnerIds=["self"], Filters=filters)
        found = [_temporary(raw, raw["SnapshotId"]) for page in pages for raw in page["Snapshots"]]
    with aws_errors("ec2:DescribeVolumes"):
        volumes = account.ec2.get_paginator("describe_volumes").paginate(Filters=filters)
        found += [_temporary(raw, raw["VolumeId"]) for page in volumes for raw in page["Volumes"]]
    return sorted(found, key=lambda one: one.id)


def remove(account: Account, temporary_id: str, stop: Callable[[], bool]) -> None:
    """Remove a temporary snapshot, or a volume, which is detached first. One that is gone already is no error."""
    try:
        if temporary_id.startswith("snap-"):
            with aws_errors("ec2:DeleteSnapshot"):
                account.ec2.delete_snapshot(SnapshotId=temporary_id)
        else:
            _detach(account, temporary_id, stop)
            with aws_errors("ec2:DeleteVolume"):
                account.ec2.delete_volume(VolumeId=temporary_id)
    except CallFailed as error:
        if not error.code.endswith(".NotFound"):
            raise


def sweep(account: Account, replication: str, maker: str, stop: Callable[[], bool]) -> list[str]:
    """Remove what `maker` left, and what has expired; the ids."""
    now = _stamp(datetime.now(UTC))
    swept = [one.id for one in find_temporary(account, replication) if one.maker == maker or one.is_over(now)]
    for temporary_id in swept:
        remove(account, temporary_id, stop)
    return swept


def _detach(account: Account, volume_id: str, stop: Callable[[], bool]) -> None:
    def look() -> tuple[bool | None, str]:
        with aws_errors("ec2:DescribeVolumes"):
            found = account.ec2.describe_volumes(Filters=[{"Name": "volume-id", "Values": [volume_id]}])["Volumes"]
        if not found or found[0]["State"] != "in-use":
            return True, "detached"
        if all(a.get("State") != "detaching" for a in found[0].get("Attachments", [])):
            with aws_errors("ec2:DetachVolume"):
                account.ec2.detach_volume(VolumeId=volume_id)
        return None, "in-use"

    wait_for(look, f"{volume_id} to be detached", seconds=_CREATE_SECONDS, stop=stop)


def _temporary(raw: Any, id_: str) -> Temporary:
    found = {tag["Key"]: tag["Value"] for tag in raw.get("Tags", [])}
    return Temporary(id_, found.get(TAG_MAKER, ""), found.get(TAG_EXPIRES, ""))


def _tags(replication: str, disk: str, maker: str, extra: Mapping[str, str]) -> Any:
    wanted = tags(replication, "temporary", disk=disk, extra=dict(extra))
    wanted |= {TAG_MAKER: maker, TAG_EXPIRES: _stamp(datetime.now(UTC) + _LIFE)}
    return [{"Key": key, "Value": value} for key, value in wanted.items()]


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
