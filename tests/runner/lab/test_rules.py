"""EC2's rules, asked of the lab through boto3. Codes and messages are EC2's (API error codes; messages as seen)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError

from runner.lab import rules
from runner.lab.record import LabInfo

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

lab_test = pytest.mark.lab
NOWHERE = "i-0123456789abcdef0"


class Account:
    """Short words for what these tests do over and over."""

    def __init__(self, ec2: EC2Client, lab: LabInfo) -> None:
        self.ec2, self.lab, self.node = ec2, lab, lab.access_node_id
        self.made: list[str] = []

    def volume(self, **more: Any) -> str:
        asked = {"AvailabilityZone": self.lab.availability_zone, "Size": 1, "VolumeType": "gp3", **more}
        self.made.append(self.ec2.create_volume(**asked)["VolumeId"])
        return self.made[-1]

    def attached(self, device: str, **more: Any) -> str:
        volume_id = self.volume(**more)
        self.ec2.attach_volume(VolumeId=volume_id, InstanceId=self.node, Device=device)
        return volume_id

    def attach(self, volume_id: str, device: str, instance_id: str | None = None) -> None:
        self.ec2.attach_volume(VolumeId=volume_id, InstanceId=instance_id or self.node, Device=device)

    def root_of(self, instance_id: str) -> str:
        (reservation,) = self.ec2.describe_instances(InstanceIds=[instance_id])["Reservations"]
        (instance,) = reservation["Instances"]
        return instance["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]

    def shell(self, **more: Any) -> str:
        asked = {"ImageId": self.lab.amis["linux"], "InstanceType": "m5.large", "MinCount": 1, "MaxCount": 1, **more}
        instance_id = self.ec2.run_instances(**asked)["Instances"][0]["InstanceId"]
        self.ec2.get_waiter("instance_running").wait(InstanceIds=[instance_id], WaiterConfig={"Delay": 1})
        return instance_id

    def stopped_shell(self, **more: Any) -> str:
        instance_id = self.shell(**more)
        self.ec2.stop_instances(InstanceIds=[instance_id])
        self.ec2.get_waiter("instance_stopped").wait(InstanceIds=[instance_id], WaiterConfig={"Delay": 1})
        return instance_id


@pytest.fixture
def here(ec2: EC2Client, lab: LabInfo) -> Iterator[Account]:
    account = Account(ec2, lab)
    yield account
    for volume_id in account.made:
        for volume in ec2.describe_volumes(Filters=[{"Name": "volume-id", "Values": [volume_id]}])["Volumes"]:
            if volume["Attachments"] and volume["Attachments"][0]["InstanceId"] == lab.access_node_id:
                ec2.detach_volume(VolumeId=volume_id)


def attach_twice(a: Account) -> None:
    a.attach(a.attached("/dev/xvdf"), "/dev/xvdg")


def attach_from_another_zone(a: Account) -> None:
    a.attach(a.volume(AvailabilityZone="us-east-1b"), "/dev/xvdf")


def take_a_device_name_twice(a: Account) -> None:
    a.attached("/dev/xvdf")
    a.attach(a.volume(), "/dev/xvdf")


def attach_to_nonsense_name(a: Account) -> None:
    a.attach(a.volume(), "/dev/nvme1n1")


def attach_past_the_slots_of_linux(a: Account) -> None:
    a.attach(a.volume(), "/dev/xvdea")


def attach_to_terminated(a: Account) -> None:
    instance_id = a.shell()
    a.ec2.terminate_instances(InstanceIds=[instance_id])
    a.attach(a.volume(), "/dev/xvdf", instance_id)


def detach_root_of_running(a: Account) -> None:
    a.ec2.detach_volume(VolumeId=a.root_of(a.node), InstanceId=a.node)


def detach_what_is_not_attached(a: Account) -> None:
    a.ec2.detach_volume(VolumeId=a.volume())


def detach_from_the_wrong_instance(a: Account) -> None:
    a.ec2.detach_volume(VolumeId=a.attached("/dev/xvdf"), InstanceId=a.shell())


def start_without_root(a: Account) -> None:
    instance_id = a.stopped_shell()
    a.ec2.detach_volume(VolumeId=a.root_of(instance_id), InstanceId=instance_id)
    a.ec2.start_instances(InstanceIds=[instance_id])


def start_terminated(a: Account) -> None:
    instance_id = a.shell()
    a.ec2.terminate_instances(InstanceIds=[instance_id])
    a.ec2.start_instances(InstanceIds=[instance_id])


def stop_terminated(a: Account) -> None:
    instance_id = a.shell()
    a.ec2.terminate_instances(InstanceIds=[instance_id])
    a.ec2.stop_instances(InstanceIds=[instance_id])


def shrink(a: Account) -> None:
    a.ec2.modify_volume(VolumeId=a.volume(Size=2), Size=1)


def grow_past_the_type(a: Account) -> None:
    a.ec2.modify_volume(VolumeId=a.volume(VolumeType="standard"), Size=1025)


def make_too_large(a: Account) -> None:
    a.volume(Size=16385, VolumeType="gp2")


def make_too_small(a: Account) -> None:
    a.volume(Size=1, VolumeType="st1")


def delete_attached(a: Account) -> None:
    a.ec2.delete_volume(VolumeId=a.attached("/dev/xvdf"))


def six_snapshots_at_once(a: Account) -> None:
    volume_id = a.volume()
    for _ in range(6):
        a.ec2.create_snapshot(VolumeId=volume_id)


def volume_from_pending_snapshot(a: Account) -> None:
    a.volume(SnapshotId=a.ec2.create_snapshot(VolumeId=a.volume())["SnapshotId"])


def volume_smaller_than_snapshot(a: Account) -> None:
    snapshot_id = a.ec2.create_snapshot(VolumeId=a.volume(Size=3))["SnapshotId"]
    a.ec2.get_waiter("snapshot_completed").wait(SnapshotIds=[snapshot_id], WaiterConfig={"Delay": 1})
    a.volume(SnapshotId=snapshot_id, Size=2)


def same_token_other_size(a: Account) -> None:
    a.volume(ClientToken="once", Size=1)
    a.volume(ClientToken="once", Size=2)


def change_type_while_running(a: Account) -> None:
    a.ec2.modify_instance_attribute(InstanceId=a.shell(), InstanceType={"Value": "m5.xlarge"})


def arm_image_on_intel(a: Account) -> None:
    a.shell(ImageId=a.lab.amis["arm64"])


def no_such_type(a: Account) -> None:
    a.shell(InstanceType="m5.tiny")


def no_such_image(a: Account) -> None:
    a.shell(ImageId="ami-0123456789abcdef0")


def no_such_volume(a: Account) -> None:
    a.ec2.describe_volumes(VolumeIds=["vol-0123456789abcdef0"])


def no_such_snapshot(a: Account) -> None:
    a.ec2.describe_snapshots(SnapshotIds=["snap-0123456789abcdef0"])


def no_such_instance(a: Account) -> None:
    a.attach(a.volume(), "/dev/xvdf", NOWHERE)


REFUSED = [
    (attach_twice, "VolumeInUse", "is already attached to an instance"),
    (attach_from_another_zone, "InvalidVolume.ZoneMismatch", "is not in the same availability zone as instance"),
    (take_a_device_name_twice, "InvalidParameterValue", "Attachment point /dev/xvdf is already in use"),
    (attach_to_nonsense_name, "InvalidParameterValue", "is not a valid EBS device name"),
    (attach_past_the_slots_of_linux, "InvalidParameterValue", "is not a valid EBS device name"),
    (attach_to_terminated, "IncorrectState", "is not 'running'"),
    (detach_root_of_running, "OperationNotPermitted", "Unable to detach root volume"),
    (detach_what_is_not_attached, "IncorrectState", "is in the 'available' state"),
    (detach_from_the_wrong_instance, "InvalidAttachment.NotFound", "is not attached to instance"),
    (start_without_root, "InvalidParameterValue", "does not have a volume attached at root (/dev/xvda)"),
    (start_terminated, "IncorrectInstanceState", "not in a state from which it can be started"),
    (stop_terminated, "IncorrectInstanceState", "not in a state from which it can be stopped"),
    (shrink, "InvalidParameterValue", "New size cannot be smaller than existing size"),
    (grow_past_the_type, "InvalidParameterValue", "too large for volume type standard; maximum is 1024GiB"),
    (make_too_large, "InvalidParameterValue", "too large for volume type gp2; maximum is 16384GiB"),
    (make_too_small, "InvalidParameterValue", "too small for volume type st1; minimum is 125GiB"),
    (delete_attached, "VolumeInUse", "is currently attached to"),
    (volume_smaller_than_snapshot, "InvalidParameterValue", "is smaller than snapshot"),
    (same_token_other_size, "IdempotentParameterMismatch", "inconsistent with arguments used in previous"),
    (change_type_while_running, "IncorrectInstanceState", "is not in the 'stopped' state"),
    (arm_image_on_intel, "InvalidParameterValue", "architecture"),
    (no_such_type, "InvalidParameterValue", "Invalid value 'm5.tiny' for InstanceType"),
    (no_such_image, "InvalidAMIID.NotFound", "ami-0123456789abcdef0"),
    (no_such_volume, "InvalidVolume.NotFound", "The volume 'vol-0123456789abcdef0' does not exist."),
    (no_such_snapshot, "InvalidSnapshot.NotFound", "The snapshot 'snap-0123456789abcdef0' does not exist."),
    (no_such_instance, "InvalidInstanceID.NotFound", "The instance ID 'i-0123456789abcdef0' does not exist"),
]


@lab_test
@pytest.mark.parametrize(("deed", "code", "says"), REFUSED, ids=[row[0].__name__ for row in REFUSED])
def test_refused(deed: Callable[[Account], None], code: str, says: str, here: Account) -> None:
    check_refused(deed, code, says, here)


def check_refused(deed: Callable[[Account], None], code: str, says: str, here: Account) -> None:
    with pytest.raises(ClientError) as caught:
        deed(here)
    assert caught.value.response["Error"]["Code"] == code
    assert says in caught.value.response["Error"]["Message"]


@lab_test
@pytest.mark.parametrize(
    ("deed", "code", "says"),
    [
        (six_snapshots_at_once, "ConcurrentSnapshotLimitExceeded", "in-progress snapshots for a single volume"),
        (volume_from_pending_snapshot, "IncorrectState", "pending"),
    ],
)
def test_refused_while_snapshots_are_pending(
    deed: Callable[[Account], None], code: str, says: str, lasting: LabInfo, lasting_session: boto3.Session
) -> None:
    check_refused(deed, code, says, Account(lasting_session.client("ec2", endpoint_url=lasting.endpoint), lasting))


@lab_test
def test_shared_limit_counts_interfaces(here: Account) -> None:
    """m5.large: 27 volumes beside its one interface, 26 beside two (docs: 28 shared slots)."""
    instance_id = here.shell()
    interface = here.ec2.create_network_interface(SubnetId=here.lab.subnet_id)["NetworkInterface"]
    here.ec2.attach_network_interface(
        NetworkInterfaceId=interface["NetworkInterfaceId"], InstanceId=instance_id, DeviceIndex=1
    )
    letters = "fghijklmnopqrstuvwxyz"
    names = [f"/dev/xvd{x}" for x in letters] + [f"/dev/xvdb{x}" for x in "abcd"]
    for name in names:  # 25 and the root make 26
        here.attach(here.volume(), name, instance_id)
    with pytest.raises(ClientError) as caught:
        here.attach(here.volume(), "/dev/xvdbe", instance_id)
    assert caught.value.response["Error"]["Code"] == "AttachmentLimitExceeded"


# Type, MaximumEbsAttachments, AttachmentLimitType as DescribeInstanceTypes gives them in us-east-1.
@lab_test
@pytest.mark.parametrize(
    ("instance_type", "most", "kind"),
    [
        ("m5.large", 27, "shared"),
        ("t3.micro", 27, "shared"),
        ("m5d.large", 26, "shared"),
        ("m7i.large", 32, "dedicated"),
    ],
)
def test_types_tell_their_limits(instance_type: Any, most: int, kind: str, ec2: EC2Client) -> None:
    (found,) = ec2.describe_instance_types(InstanceTypes=[instance_type])["InstanceTypes"]
    assert (found["EbsInfo"]["MaximumEbsAttachments"], found["EbsInfo"]["AttachmentLimitType"]) == (most, kind)


@pytest.mark.parametrize(
    ("kind", "interfaces", "limit"), [("shared", 1, 27), ("shared", 3, 25), ("dedicated", 3, 27), ("shared", 0, 27)]
)
def test_attachment_limit(kind: str, interfaces: int, limit: int) -> None:
    assert rules.attachment_limit({"MaximumEbsAttachments": 27, "AttachmentLimitType": kind}, interfaces) == limit
