"""`hotadd drift` on a replica that was never started: nothing at first, then each change of somebody's, alone."""

from __future__ import annotations

import json
import os
import struct
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runner.home import Home
from tests.survival.driver import Fate
from tests.survival.ground import DISKS, Ended, Replication
from tests.survival.holding import assert_holds
from tests.survival.quick_guest import CLUSTER, INJECTED, injected

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

pytestmark = [pytest.mark.lab, pytest.mark.process]

MIB = 1 << 20
OUTSIDE = 33 * MIB + 77  # in the source's data, in no block that injection writes
BEYOND = 700 * MIB + 5  # past the source's end
INSIDE = min(INJECTED) + 4096 + 99  # in a block that injection writes, beside what it writes there


@pytest.fixture(scope="module")
def replica(replication: Callable[[str], Replication]) -> Replication:
    """A finished replica with `start: false`."""
    made = replication("still")
    made.spec.write_text(made.spec.read_text() + "start: false\n")
    ended = made.replicate()
    assert ended.status == 0, ended.said
    return made


def drift(replica: Replication, *options: str, fate: Fate | None = None) -> tuple[Ended, dict[str, Any]]:
    """Run `hotadd drift`; how it ended, and the document it printed (or wrote down, where it printed none)."""
    since = len(replica.lab.calls())
    ended = replica.run(["drift", str(replica.spec), *options], fate)
    changing = {c["action"] for c in replica.lab.calls()[since:] if c["service"] == "ec2" and c["status"] == 200}
    changing -= {action for action in changing if action.startswith("Describe")}
    allowed = {"CreateSnapshot", "DeleteSnapshot"}
    if "--files" in options:
        allowed |= {"CreateVolume", "AttachVolume", "DetachVolume", "DeleteVolume"}
    assert changing <= allowed, "a look changes nothing"
    written = replica.home / "work" / "drift.json"
    return ended, json.loads(written.read_text()) if written.exists() else {}


def found(document: dict[str, Any]) -> list[tuple[str, str, str]]:
    """What differs, in short: of the infrastructure, then of the data."""
    infrastructure = [(d["subject"], d["kind"], d["attribute"]) for d in document["infrastructure"]]
    data = [
        (disk["id"], "injected" if one["injected"] else "outside", f"{one['offset']}+{one['length']}")
        for disk in document["disks"]
        for one in disk["ranges"]
    ]
    return infrastructure + data


@contextmanager
def changed_byte(file: Path, offset: int) -> Iterator[None]:
    """A byte of a file is another meanwhile."""
    with open(file, "r+b") as held:
        held.seek(offset)
        before = held.read(1)
        held.seek(offset)
        held.write(bytes([before[0] ^ 1]))
        held.flush()
        try:
            yield
        finally:
            held.seek(offset)
            held.write(before)


def block(offset: int) -> str:
    return f"{offset // CLUSTER * CLUSTER}+{CLUSTER}"


def test_nothing_at_first(replica: Replication) -> None:
    snapshots = replica.left()["snapshots"]
    ended, document = drift(replica)
    assert ended.status == 0, ended.said
    assert found(document) == []
    assert [disk["compared"] for disk in document["disks"]] == [True, True]
    assert (document["instance_state"], document["since_launch"], document["moving"]) == ("stopped", False, False)
    assert replica.left()["snapshots"] == snapshots, "temporary snapshots are removed"
    for disk in DISKS:  # injection did write, or this would prove nothing
        assert_holds(replica.volume_file(disk), injected(replica.source(disk).read_bytes()))
    assert "No drift" in ended.said


def test_a_look_at_every_block_finds_nothing_either(replica: Replication) -> None:
    ended, document = drift(replica, "--whole", "--only", "data")
    assert (ended.status, found(document)) == (0, []), ended.said


@pytest.mark.parametrize(
    ("disk", "offset", "where"),
    [("data", OUTSIDE, "outside"), ("root", BEYOND, "outside"), ("root", INSIDE, "injected")],
)
def test_one_changed_byte(replica: Replication, disk: str, offset: int, where: str) -> None:
    with changed_byte(replica.volume_file(disk), offset):
        ended, document = drift(replica)
        _, whole = drift(replica, "--whole", "--only", "data")
    assert ended.status == 2, ended.said
    assert found(document) == found(whole) == [(disk, where, block(offset))]
    assert sum(d["bytes"] for d in document["disks"]) == CLUSTER


def test_an_injected_block_that_has_the_source_s_bytes_again(replica: Replication) -> None:
    """EBS does not name such a block: it is as the integrity snapshot has it."""
    at = max(INJECTED) // CLUSTER * CLUSTER
    file, source = replica.volume_file("data"), replica.source("data").read_bytes()[at : at + CLUSTER]
    with open(file, "r+b") as held:
        held.seek(at)
        now = held.read(CLUSTER)
        held.seek(at)
        held.write(source)
    try:
        _, document = drift(replica)
    finally:
        with open(file, "r+b") as held:
            held.seek(at)
            held.write(now)
    assert found(document) == [("data", "injected", block(at))]


def test_without_a_digest_file_the_integrity_snapshot_is_read(replica: Replication) -> None:
    kept = [replica.home / "manifest" / disk["digest_file"] for disk in replica.manifest()["disks"]]
    for file in kept:
        file.rename(file.with_suffix(".away"))
    try:
        ended, document = drift(replica, "--only", "data")
        with changed_byte(replica.volume_file("data"), OUTSIDE), changed_byte(replica.volume_file("data"), INSIDE):
            _, changed = drift(replica, "--only", "data")
    finally:
        for file in kept:
            file.with_suffix(".away").rename(file)
    assert (ended.status, found(document)) == (0, []), ended.said
    assert found(changed) == [("data", "injected", block(INSIDE)), ("data", "outside", block(OUTSIDE))]


def test_a_digest_file_that_somebody_changed_is_no_reference(replica: Replication) -> None:
    (kept,) = [replica.home / "manifest" / d["digest_file"] for d in replica.manifest()["disks"] if d["id"] == "data"]
    with changed_byte(kept, 8192):  # in the digests, past header and states
        ended, _ = drift(replica, "--only", "data")
    assert ended.status == 4 and str(kept) in ended.said, ended.said


@pytest.mark.parametrize("lock", [".", "work/drift"])
def test_it_is_refused_while_a_run_or_another_look_is_at_work(replica: Replication, lock: str) -> None:
    with Home(replica.name, replica.home / lock).locked():
        ended, _ = drift(replica)
    assert ended.status == 3 and f"process {os.getpid()} of " in ended.said, ended.said


def test_another_instance_type(replica: Replication, ec2: EC2Client) -> None:
    instance = replica.outputs()["instance_id"]
    ec2.modify_instance_attribute(InstanceId=instance, InstanceType={"Value": "m5.xlarge"})
    try:
        ended, document = drift(replica, "--markdown")
    finally:
        ec2.modify_instance_attribute(InstanceId=instance, InstanceType={"Value": "m5.large"})
    assert ended.status == 2, ended.said
    assert found(document) == [("aws_instance.destination[0]", "changed", "instance_type")]
    (one,) = document["infrastructure"]
    assert (one["resource_id"], one["expected"], one["found"]) == (instance, '"m5.large"', '"m5.xlarge"')
    assert one["cause"] == "world"
    assert f'| `aws_instance.destination[0] {instance}` | instance_type | "m5.large" | "m5.xlarge" |' in ended.said


def test_another_security_group_and_other_tags(replica: Replication, ec2: EC2Client) -> None:
    instance, volume = replica.outputs()["instance_id"], replica.outputs()["volumes"]["data"]
    before = ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]
    group = ec2.create_security_group(GroupName="by-hand", Description="by hand", VpcId=before["VpcId"])["GroupId"]
    ec2.modify_instance_attribute(InstanceId=instance, Groups=[group])
    ec2.create_tags(Resources=[volume], Tags=[{"Key": "Owner", "Value": "nobody"}])
    try:
        _, document = drift(replica, "--only", "infrastructure")
    finally:
        groups = [one["GroupId"] for one in before["SecurityGroups"]]
        ec2.modify_instance_attribute(InstanceId=instance, Groups=groups)
        ec2.delete_tags(Resources=[volume], Tags=[{"Key": "Owner"}])
    assert found(document) == [
        ("aws_ebs_volume.disk_data", "changed", "tags.Owner"),
        ("aws_instance.destination[0]", "changed", "vpc_security_group_ids"),
    ]
    assert replica.home.joinpath("work", "drift.json").exists()


def test_a_detached_volume(replica: Replication, ec2: EC2Client) -> None:
    outputs = replica.outputs()
    volume, instance = outputs["volumes"]["data"], outputs["instance_id"]
    ec2.detach_volume(VolumeId=volume)
    try:
        ended, document = drift(replica)
    finally:
        ec2.attach_volume(VolumeId=volume, InstanceId=instance, Device=outputs["destination_devices"]["data"])
    assert ended.status == 2, ended.said
    assert found(document) == [("aws_volume_attachment.target_disk_data[0]", "detached", "")]


def test_a_volume_at_another_device(replica: Replication, ec2: EC2Client) -> None:
    outputs = replica.outputs()
    volume, instance = outputs["volumes"]["data"], outputs["instance_id"]
    ec2.detach_volume(VolumeId=volume)
    ec2.attach_volume(VolumeId=volume, InstanceId=instance, Device="/dev/sdz")
    try:
        ended, document = drift(replica, "--only", "infrastructure")
    finally:
        ec2.detach_volume(VolumeId=volume)
        ec2.attach_volume(VolumeId=volume, InstanceId=instance, Device=outputs["destination_devices"]["data"])
    assert found(document) == [("aws_volume_attachment.target_disk_data[0]", "detached", "")]
    assert document["infrastructure"][0]["found"] == f"on {instance} as /dev/sdz"
    assert f"the volume is on {instance} as /dev/sdz" in ended.said


def test_all_volumes_detached(replica: Replication, ec2: EC2Client) -> None:
    """Terraform could not refresh the instance then."""
    outputs = replica.outputs()
    for volume in outputs["volumes"].values():
        ec2.detach_volume(VolumeId=volume)
    try:
        _, document = drift(replica)
    finally:
        for disk, volume in outputs["volumes"].items():
            device = outputs["destination_devices"][disk]
            ec2.attach_volume(VolumeId=volume, InstanceId=outputs["instance_id"], Device=device)
    assert sorted(found(document)) == [
        ("aws_volume_attachment.target_disk_data[0]", "detached", ""),
        ("aws_volume_attachment.target_disk_root[0]", "detached", ""),
    ]
    assert "its attributes were not looked at" in document["notes"][0]


def test_killed_in_the_middle_it_leaves_a_snapshot_that_the_next_look_removes(replica: Replication) -> None:
    snapshots = replica.left()["snapshots"]
    killed, _ = drift(replica, fate=Fate("drift", "note", "for this look", count=2))
    assert killed.killed, killed.said
    assert len(replica.left()["snapshots"] - snapshots) == 2
    ended, _ = drift(replica)
    assert ended.status == 0, ended.said
    assert replica.left()["snapshots"] == snapshots


def test_a_temporary_snapshot_of_another_machine_stays_until_it_expires(replica: Replication, ec2: EC2Client) -> None:
    before = replica.left()["snapshots"]
    volume = replica.outputs()["volumes"]["data"]
    made = {
        year: ec2.create_snapshot(
            VolumeId=volume,
            TagSpecifications=[
                {
                    "ResourceType": "snapshot",
                    "Tags": [
                        {"Key": "hotadd:replication", "Value": replica.name},
                        {"Key": "hotadd:role", "Value": "temporary"},
                        {"Key": "hotadd:maker", "Value": "drift elsewhere 01234567"},
                        {"Key": "hotadd:expires", "Value": f"{year}-01-01T00:00:00Z"},
                    ],
                }
            ],
        )["SnapshotId"]
        for year in ("2020", "2999")
    }
    drift(replica, "--only", "data")
    assert replica.left()["snapshots"] - before == {made["2999"]}
    ec2.delete_snapshot(SnapshotId=made["2999"])


def test_a_snapshot_that_errors_ends_the_look_and_leaves_nothing(replica: Replication) -> None:
    before = replica.left()["snapshots"]
    replica.lab.control("POST", "faults", {"action": "CreateSnapshot", "error_code": "snapshot-error"})
    ended, _ = drift(replica)
    assert ended.status == 1 and "ended in error" in ended.said, ended.said
    assert replica.left()["snapshots"] == before


class TestAtTheEnd:
    """What cannot be undone."""

    def test_a_deleted_integrity_snapshot(self, replica: Replication, ec2: EC2Client) -> None:
        (snapshot,) = [d["integrity_snapshot_id"] for d in replica.manifest()["disks"] if d["id"] == "data"]
        ec2.delete_snapshot(SnapshotId=snapshot)
        ended, document = drift(replica)
        assert ended.status == 2, ended.said
        assert found(document) == [("integrity snapshot of data, generation 1", "missing", "")]
        assert {d["id"]: d["compared"] for d in document["disks"]} == {"root": True, "data": False}
        with changed_byte(replica.volume_file("data"), OUTSIDE):
            _, whole = drift(replica, "--whole", "--only", "data")
        assert found(whole) == [("data", "outside", block(OUTSIDE))]

    def test_a_started_destination(self, replica: Replication, ec2: EC2Client) -> None:
        ec2.start_instances(InstanceIds=[replica.outputs()["instance_id"]])
        ec2.get_waiter("instance_running").wait(
            InstanceIds=[replica.outputs()["instance_id"]], WaiterConfig={"Delay": 1}
        )
        with changed_byte(replica.volume_file("root"), OUTSIDE):
            ended, document = drift(replica)
        assert ended.status == 2
        assert (document["since_launch"], document["moving"]) == (True, True)
        assert found(document) == [
            ("integrity snapshot of data, generation 1", "missing", ""),
            ("root", "outside", block(OUTSIDE)),
        ]
        assert "moving target" in ended.said and "since launch" in ended.said

    def test_a_deleted_volume(self, replica: Replication, ec2: EC2Client) -> None:
        volume = replica.outputs()["volumes"]["data"]
        ec2.detach_volume(VolumeId=volume)
        ec2.get_waiter("volume_available").wait(VolumeIds=[volume], WaiterConfig={"Delay": 1})
        ec2.delete_volume(VolumeId=volume)
        ended, document = drift(replica)
        assert ended.status == 2, ended.said
        assert ("aws_ebs_volume.disk_data", "missing", "") in found(document)
        assert ("aws_volume_attachment.target_disk_data[0]", "detached", "") in found(document)

    def test_a_terminated_destination(self, replica: Replication, ec2: EC2Client) -> None:
        instance = replica.outputs()["instance_id"]
        ec2.terminate_instances(InstanceIds=[instance])
        ec2.get_waiter("instance_terminated").wait(InstanceIds=[instance], WaiterConfig={"Delay": 1})
        ended, document = drift(replica, "--only", "infrastructure")
        assert ended.status == 2, ended.said
        assert ("aws_instance.destination[0]", "missing", "") in found(document)
        assert (document["instance_id"], document["instance_state"]) == ("", "gone")


PARTITION = 2 * MIB  # from here to 38 MiB: beside what the tests' conversion writes


def _with_files(image: Path, tree: Path) -> None:
    """Put a partition with an ext4 of some files on a disk."""
    (tree / "srv").mkdir(parents=True)
    (tree / "srv" / "orders.txt").write_text("".join(f"order {number}\n" for number in range(200_000)))
    where = ["-E", f"offset={PARTITION}", str(image), "36M"]
    subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", "-b", "4096", "-d", str(tree), *where], check=True)
    entry = struct.pack("<B3sB3sII", 0, b"\xfe\xff\xff", 0x83, b"\xfe\xff\xff", PARTITION // 512, 36 * MIB // 512)
    with open(image, "r+b") as disk:
        disk.write(bytes(446) + entry + bytes(48) + b"\x55\xaa")


@pytest.mark.guestfs
def test_the_file_that_a_changed_byte_belongs_to(
    replication: Callable[[str], Replication], tmp_path: Path, ec2: EC2Client
) -> None:
    """On volumes made for it, which are gone afterwards; and after a kill, once the next look was had."""
    replica = replication("filed")
    _with_files(replica.source("data"), tmp_path)
    replica.spec.write_text(replica.spec.read_text() + "start: false\n")
    assert replica.replicate().status == 0
    before = replica.left()
    at = replica.source("data").read_bytes().index(b"order 100000\n")
    with changed_byte(replica.volume_file("data"), at):
        killed, _ = drift(replica, "--files", fate=Fate("drift", "note", "The disks are opened"))
        assert killed.killed, killed.said
        assert len(replica.left()["volumes"] - before["volumes"]) == 2
        ended, document = drift(replica, "--files", "--only", "data")
    assert ended.status == 2, ended.said
    (data,) = [disk for disk in document["disks"] if disk["id"] == "data"]
    assert [(one["path"], one["bytes"] <= CLUSTER) for one in data["files"]] == [("/srv/orders.txt", True)]
    assert replica.left() == before, "temporary snapshots and volumes are removed"


def test_it_refuses_what_is_not_replicated(replication: Callable[[str], Replication]) -> None:
    nothing = replication("nothing")
    ended = nothing.run(["drift", str(nothing.spec)])
    assert ended.status == 3 and "no finished replica" in ended.said, ended.said
