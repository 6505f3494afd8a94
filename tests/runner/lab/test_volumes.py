"""Volumes and snapshots, and the files behind them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError

from runner.lab.record import LabInfo

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

pytestmark = pytest.mark.lab
GIB = 1 << 30


def make(ec2: EC2Client, lab: LabInfo, **more: Any) -> str:
    asked: dict[str, Any] = {"AvailabilityZone": lab.availability_zone, "Size": 1, **more}
    return ec2.create_volume(**asked)["VolumeId"]


def write(path: Path, offset: int, data: bytes) -> None:
    with open(path, "r+b") as file:
        file.seek(offset)
        file.write(data)


def test_a_volume_is_a_sparse_file_of_its_size(ec2: EC2Client, lab: LabInfo) -> None:
    stat = lab.layout.volume(make(ec2, lab, Size=100)).stat()
    assert stat.st_size == 100 * GIB and stat.st_blocks == 0


def test_the_link_lives_as_long_as_the_attachment(ec2: EC2Client, lab: LabInfo) -> None:
    volume_id = make(ec2, lab)
    name = f"nvme-Amazon_Elastic_Block_Store_{volume_id.replace('-', '')}"
    link = lab.directory / "instances" / lab.access_node_id / "by-id" / name
    ec2.attach_volume(VolumeId=volume_id, InstanceId=lab.access_node_id, Device="/dev/xvdf")
    write(link, 5, b"through the link")
    assert lab.layout.volume(volume_id).read_bytes()[5:21] == b"through the link"
    ec2.detach_volume(VolumeId=volume_id, InstanceId=lab.access_node_id)
    assert not link.is_symlink()
    assert ec2.describe_volumes(VolumeIds=[volume_id])["Volumes"][0]["State"] == "available"


def test_deleting_removes_the_file(ec2: EC2Client, lab: LabInfo) -> None:
    volume_id = make(ec2, lab)
    ec2.delete_volume(VolumeId=volume_id)
    assert not lab.layout.volume(volume_id).exists()


def test_growing_keeps_the_bytes(ec2: EC2Client, lab: LabInfo) -> None:
    volume_id = make(ec2, lab)
    write(lab.layout.volume(volume_id), GIB - 4, b"tail")
    ec2.modify_volume(VolumeId=volume_id, Size=2)
    path = lab.layout.volume(volume_id)
    assert path.stat().st_size == 2 * GIB
    with open(path, "rb") as file:
        file.seek(GIB - 4)
        assert file.read(8) == b"tail\0\0\0\0"


def test_a_snapshot_is_pending_then_completed(
    ec2: EC2Client, lab: LabInfo, lasting: LabInfo, lasting_session: boto3.Session, wait_for: Callable[..., None]
) -> None:
    def snapshot(there: EC2Client, of: LabInfo) -> Callable[[], tuple[str, str]]:
        snapshot_id = there.create_snapshot(VolumeId=make(there, of))["SnapshotId"]

        def look() -> tuple[str, str]:
            (found,) = there.describe_snapshots(SnapshotIds=[snapshot_id])["Snapshots"]
            return found["State"], found["Progress"]

        return look

    assert snapshot(lasting_session.client("ec2", endpoint_url=lasting.endpoint), lasting)() == ("pending", "0%")
    wait_for(snapshot(ec2, lab), ("completed", "100%"))


def test_a_volume_from_a_snapshot_has_its_bytes(ec2: EC2Client, lab: LabInfo, wait_for: Callable[..., None]) -> None:
    source = make(ec2, lab)
    write(lab.layout.volume(source), 1 << 20, b"then")
    snapshot_id = ec2.create_snapshot(VolumeId=source)["SnapshotId"]
    write(lab.layout.volume(source), 1 << 20, b"now!")
    ec2.modify_volume(VolumeId=source, Size=3)
    ec2.get_waiter("snapshot_completed").wait(SnapshotIds=[snapshot_id], WaiterConfig={"Delay": 1})
    assert ec2.describe_snapshots(SnapshotIds=[snapshot_id])["Snapshots"][0]["VolumeSize"] == 1
    copy = make(ec2, lab, Size=2, SnapshotId=snapshot_id)
    wait_for(lambda: ec2.describe_volumes(VolumeIds=[copy])["Volumes"][0]["State"], "available")
    path = lab.layout.volume(copy)
    assert path.stat().st_size == 2 * GIB
    with open(path, "rb") as file:
        file.seek(1 << 20)
        assert file.read(4) == b"then"


def test_deleting_a_snapshot_removes_its_file(ec2: EC2Client, lab: LabInfo) -> None:
    snapshot_id = ec2.create_snapshot(VolumeId=make(ec2, lab))["SnapshotId"]
    path = lab.layout.snapshot(snapshot_id)
    assert path.exists()
    ec2.delete_snapshot(SnapshotId=snapshot_id)
    assert not path.exists()


def test_own_snapshots_are_not_amazons(ec2: EC2Client, lab: LabInfo) -> None:
    mine = ec2.create_snapshot(VolumeId=make(ec2, lab))["SnapshotId"]
    found = ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]
    assert mine in [snapshot["SnapshotId"] for snapshot in found]
    assert {snapshot["OwnerId"] for snapshot in found} == {lab.account_id}


def test_one_token_makes_one_volume(ec2: EC2Client, lab: LabInfo) -> None:
    assert make(ec2, lab, ClientToken="one-volume") == make(ec2, lab, ClientToken="one-volume")


def test_a_failed_call_leaves_its_token_free(ec2: EC2Client, lab: LabInfo) -> None:
    with pytest.raises(ClientError):
        make(ec2, lab, ClientToken="second-chance", VolumeType="gp2", Size=99999)
    assert make(ec2, lab, ClientToken="second-chance", VolumeType="gp2", Size=1)


def test_encryption_names_a_key(ec2: EC2Client, lab: LabInfo) -> None:
    key = "arn:aws:kms:us-east-1:123456789012:key/0a1b2c3d-0000-4000-8000-0123456789ab"
    own = make(ec2, lab, Encrypted=True, KmsKeyId=key)
    default = make(ec2, lab, Encrypted=True)
    plain = make(ec2, lab)
    volumes = {v["VolumeId"]: v for v in ec2.describe_volumes(VolumeIds=[own, default, plain])["Volumes"]}
    assert (volumes[own]["Encrypted"], volumes[own]["KmsKeyId"]) == (True, key)
    assert volumes[default]["Encrypted"] and volumes[default]["KmsKeyId"].startswith("arn:aws:kms:")
    assert not volumes[plain]["Encrypted"] and "KmsKeyId" not in volumes[plain]
    snapshot_id = ec2.create_snapshot(VolumeId=own)["SnapshotId"]
    (snapshot,) = ec2.describe_snapshots(SnapshotIds=[snapshot_id])["Snapshots"]
    assert (snapshot["Encrypted"], snapshot["KmsKeyId"]) == (True, key)


def test_tags_are_there_from_the_creation_and_can_be_asked_for(ec2: EC2Client, lab: LabInfo) -> None:
    tags: Any = [{"ResourceType": "volume", "Tags": [{"Key": "hotadd:replication", "Value": "web01"}]}]
    volume_id = make(ec2, lab, TagSpecifications=tags)
    found = ec2.describe_volumes(Filters=[{"Name": "tag:hotadd:replication", "Values": ["web01"]}])["Volumes"]
    assert [volume["VolumeId"] for volume in found] == [volume_id]
