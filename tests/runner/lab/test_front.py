"""The front door: who may come in, and what is written down."""

from __future__ import annotations

import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from runner.lab.record import LabInfo
from tests.lab_log import read_log

if TYPE_CHECKING:
    from mypy_boto3_ebs import EBSClient
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_s3 import S3Client

pytestmark = pytest.mark.lab


def last_call(lab: LabInfo) -> dict[str, Any]:
    return read_log(lab.layout.api_log)[-1]


def test_a_call_is_logged_with_what_it_touched(lab: LabInfo, ec2: EC2Client) -> None:
    volume_id = ec2.create_volume(AvailabilityZone=lab.availability_zone, Size=1)["VolumeId"]
    call = last_call(lab)
    assert (call["service"], call["action"], call["status"], call["error"]) == ("ec2", "CreateVolume", 200, None)
    assert call["resources"] == [volume_id]
    ec2.attach_volume(VolumeId=volume_id, InstanceId=lab.access_node_id, Device="/dev/xvdf")
    assert set(last_call(lab)["resources"]) == {volume_id, lab.access_node_id}
    ec2.detach_volume(VolumeId=volume_id)


def test_an_error_is_logged_by_its_code(lab: LabInfo, ec2: EC2Client, ebs: EBSClient) -> None:
    with pytest.raises(ClientError):
        ec2.delete_volume(VolumeId="vol-0123456789abcdef0")
    call = last_call(lab)
    assert (call["action"], call["status"], call["error"]) == ("DeleteVolume", 400, "InvalidVolume.NotFound")
    with pytest.raises(ClientError):
        ebs.list_snapshot_blocks(SnapshotId="snap-0123456789abcdef0")
    call = last_call(lab)
    assert (call["service"], call["action"], call["error"]) == (
        "ebs",
        "ListSnapshotBlocks",
        "ResourceNotFoundException",
    )


def test_calls_of_rest_services_have_their_names(lab: LabInfo, s3: S3Client) -> None:
    s3.create_bucket(Bucket="names")
    assert last_call(lab)["action"] == "CreateBucket"
    s3.put_object(Bucket="names", Key="a/b", Body=b"x")
    assert last_call(lab)["action"] == "PutObject"
    s3.get_object(Bucket="names", Key="a/b")
    assert (last_call(lab)["service"], last_call(lab)["action"]) == ("s3", "GetObject")


def test_no_secret_is_logged(lab: LabInfo, ec2: EC2Client) -> None:
    ec2.describe_volumes()
    assert "Signature" not in lab.layout.api_log.read_text()
    assert "AKIA" not in lab.layout.api_log.read_text()


def test_a_foreign_host_header_is_turned_away(lab: LabInfo) -> None:
    request = urllib.request.Request(f"{lab.endpoint}/hotadd-lab/state", headers={"Host": "evil.example"})
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request)
    assert caught.value.code == 403


def test_no_page_in_a_browser_may_read_it(lab: LabInfo) -> None:
    request = urllib.request.Request(f"{lab.endpoint}/hotadd-lab/state", headers={"Origin": "http://evil.example"})
    assert "Access-Control-Allow-Origin" not in urllib.request.urlopen(request).headers


def test_the_server_listens_on_loopback_alone(lab: LabInfo) -> None:
    # /proc/net/tcp: addresses in hexadecimal, little-endian; state 0A is LISTEN.
    with open("/proc/net/tcp") as table:
        rows = [line.split() for line in table.readlines()[1:]]
    listening = [row[1] for row in rows if row[3] == "0A" and row[1].endswith(f":{lab.port:04X}")]
    assert listening == [f"0100007F:{lab.port:04X}"]


def test_lockfiles_work_on_s3(s3: S3Client) -> None:
    """Terraform's S3 lockfile is one conditional write (If-None-Match: *); the second must fail with 412."""
    s3.create_bucket(Bucket="state")
    s3.put_object(Bucket="state", Key="x.tflock", Body=b"1", IfNoneMatch="*")
    with pytest.raises(ClientError) as caught:
        s3.put_object(Bucket="state", Key="x.tflock", Body=b"2", IfNoneMatch="*")
    assert caught.value.response["Error"]["Code"] == "PreconditionFailed"
    s3.delete_object(Bucket="state", Key="x.tflock")
    s3.put_object(Bucket="state", Key="x.tflock", Body=b"3", IfNoneMatch="*")
