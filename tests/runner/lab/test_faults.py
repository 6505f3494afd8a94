"""When a fault hits, and what an SDK makes of its answer."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from runner.lab.faults import Fault, Faults, error_response, read_fault
from runner.lab.record import LabInfo

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

Put = Callable[..., None]


@pytest.mark.parametrize(
    ("fault", "hits"),
    [
        (Fault("CreateVolume"), [True, False, False, False]),
        (Fault("CreateVolume", times=2), [True, True, False, False]),
        (Fault("CreateVolume", after=1, times=2), [False, True, True, False]),
        (Fault("CreateVolume", times=0), [True, True, True, True]),
        (Fault("*", after=2, times=0), [False, False, True, True]),
        (Fault("DeleteVolume", times=0), [False, False, False, False]),
        (Fault("CreateVolume", service="ebs", times=0), [False, False, False, False]),
    ],
)
def test_which_calls_are_hit(fault: Fault, hits: list[bool]) -> None:
    faults = Faults()
    faults.add(fault)
    assert [faults.take("ec2", "CreateVolume") is not None for _ in hits] == hits


def test_a_spoiled_snapshot_does_not_fail_its_call() -> None:
    faults = Faults()
    faults.add(Fault("CreateSnapshot", error_code="snapshot-error"))
    assert faults.take("ec2", "CreateSnapshot") is None
    assert faults.take("ec2", "CreateSnapshot", "snapshot-error") is not None


@pytest.mark.parametrize("given", [{"action": "X", "typo": 1}, {"service": "ec2"}])
def test_unknown_words_are_refused(given: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="A fault"):
        read_fault(given)


# HTTP statuses as in "Error codes for the Amazon EC2 API": server errors are 5xx, the rest 4xx.
@pytest.mark.parametrize(
    ("code", "status"),
    [("RequestLimitExceeded", 503), ("InternalError", 500), ("UnauthorizedOperation", 403), ("RequestExpired", 400)],
)
def test_status_of_codes(code: str, status: int) -> None:
    assert error_response("ec2", code).status_code == status


@pytest.fixture
def put(lab: LabInfo) -> Iterator[Put]:
    def send(**fault: Any) -> None:
        url = f"{lab.endpoint}/hotadd-lab/faults"
        request = urllib.request.Request(url, json.dumps(fault).encode(), method="POST")
        assert urllib.request.urlopen(request).status == 201

    yield send
    urllib.request.urlopen(urllib.request.Request(f"{lab.endpoint}/hotadd-lab/faults", method="DELETE"))


@pytest.fixture
def one_try(lab: LabInfo, session: boto3.Session) -> Callable[[Any], Any]:
    config = Config(retries={"total_max_attempts": 1})
    return lambda service: session.client(service, endpoint_url=lab.endpoint, config=config)


CALLS: list[tuple[Any, str, Callable[[Any], Any]]] = [
    ("ec2", "DescribeVolumes", lambda c: c.describe_volumes()),
    ("ebs", "ListSnapshotBlocks", lambda c: c.list_snapshot_blocks(SnapshotId="snap-0123456789abcdef0")),
    ("s3", "ListBuckets", lambda c: c.list_buckets()),
    ("iam", "ListRoles", lambda c: c.list_roles()),
    ("sts", "GetCallerIdentity", lambda c: c.get_caller_identity()),
    ("kms", "ListKeys", lambda c: c.list_keys()),
]


@pytest.mark.lab
@pytest.mark.parametrize(("service", "action", "call"), CALLS, ids=[row[0] for row in CALLS])
def test_every_protocol_understands(
    service: Any, action: str, call: Callable[[Any], Any], put: Put, one_try: Callable[[Any], Any]
) -> None:
    put(service=service, action=action, error_code="ExpiredToken")
    with pytest.raises(ClientError) as caught:
        call(one_try(service))
    assert caught.value.response["Error"]["Code"] == "ExpiredToken"


@pytest.mark.lab
def test_a_throttled_call_is_tried_again_by_the_sdk(put: Put, ec2: EC2Client) -> None:
    put(service="ec2", action="DescribeRegions", error_code="RequestLimitExceeded", times=2)
    answer = ec2.describe_regions()
    assert answer["Regions"] and answer["ResponseMetadata"]["RetryAttempts"] == 2


@pytest.mark.lab
def test_a_failed_call_had_no_effect(put: Put, one_try: Callable[[Any], Any], lab: LabInfo) -> None:
    ec2 = one_try("ec2")
    before = len(ec2.describe_volumes()["Volumes"])
    put(service="ec2", action="CreateVolume", error_code="InternalError")
    with pytest.raises(ClientError):
        ec2.create_volume(AvailabilityZone=lab.availability_zone, Size=1)
    assert len(ec2.describe_volumes()["Volumes"]) == before


@pytest.mark.lab
def test_a_snapshot_that_ends_in_error(put: Put, ec2: EC2Client, lab: LabInfo, wait_for: Callable[..., None]) -> None:
    put(service="ec2", action="CreateSnapshot", error_code="snapshot-error")
    volume_id = ec2.create_volume(AvailabilityZone=lab.availability_zone, Size=1)["VolumeId"]
    first, second = (ec2.create_snapshot(VolumeId=volume_id)["SnapshotId"] for _ in range(2))

    def states() -> list[str]:
        found = {s["SnapshotId"]: s["State"] for s in ec2.describe_snapshots(SnapshotIds=[first, second])["Snapshots"]}
        return [found[first], found[second]]

    wait_for(states, ["error", "completed"])


@pytest.mark.lab
def test_a_launch_that_falls_back(put: Put, ec2: EC2Client, lab: LabInfo, wait_for: Callable[..., None]) -> None:
    put(service="ec2", action="RunInstances", error_code="launch-error")
    asked: dict[str, Any] = {"ImageId": lab.amis["linux"], "InstanceType": "m5.large", "MinCount": 1, "MaxCount": 1}
    instance_id = ec2.run_instances(**asked)["Instances"][0]["InstanceId"]

    def look() -> tuple[str, str]:
        instance = ec2.describe_instances(InstanceIds=[instance_id])["Reservations"][0]["Instances"][0]
        return instance["State"]["Name"], instance.get("StateReason", {}).get("Code", "")

    wait_for(look, ("stopped", "Client.InternalError"))


@pytest.mark.lab
def test_a_device_that_is_late(put: Put, ec2: EC2Client, lab: LabInfo, wait_for: Callable[..., None]) -> None:
    put(service="ec2", action="AttachVolume", error_code="late-device", delay_seconds=5)
    volume_id = ec2.create_volume(AvailabilityZone=lab.availability_zone, Size=1)["VolumeId"]
    ec2.attach_volume(VolumeId=volume_id, InstanceId=lab.access_node_id, Device="/dev/xvdf")
    link = lab.layout.link(lab.access_node_id, volume_id)
    assert not link.exists()
    assert ec2.describe_volumes(VolumeIds=[volume_id])["Volumes"][0]["State"] == "in-use"
    wait_for(link.exists, True)
    ec2.detach_volume(VolumeId=volume_id)
    assert not link.is_symlink()
