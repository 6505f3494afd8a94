"""EBS direct calls against what was written to the volume's file, through boto3."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError

from runner.lab import direct
from runner.lab.record import LabInfo

if TYPE_CHECKING:
    from mypy_boto3_ebs import EBSClient
    from mypy_boto3_ec2 import EC2Client

BLOCK = 512 * 1024
lab_test = pytest.mark.lab


def write(path: Path, index: int, data: bytes) -> None:
    with open(path, "r+b") as file:
        file.seek(index * BLOCK)
        file.write(data)


@pytest.fixture
def volume(ec2: EC2Client, lab: LabInfo) -> str:
    asked: dict[str, Any] = {"AvailabilityZone": lab.availability_zone, "Size": 4, "VolumeType": "gp3"}
    return ec2.create_volume(**asked)["VolumeId"]


@pytest.fixture
def snap(ec2: EC2Client) -> Callable[[str], str]:
    def take(volume_id: str) -> str:
        snapshot_id = ec2.create_snapshot(VolumeId=volume_id)["SnapshotId"]
        ec2.get_waiter("snapshot_completed").wait(SnapshotIds=[snapshot_id], WaiterConfig={"Delay": 1})
        return snapshot_id

    return take


def pages(call: Callable[..., Any], key: str, **asked: Any) -> list[list[dict[str, Any]]]:
    found, token = [], None
    while True:
        answer = call(**asked, **({"NextToken": token} if token else {}))
        found.append(answer.get(key, []))
        token = answer.get("NextToken")
        if not token:
            return found


@lab_test
def test_blocks_hold_the_bytes_of_the_moment(
    ec2: EC2Client, ebs: EBSClient, volume: str, volume_file: Callable[[str], Path]
) -> None:
    written = bytes(range(256)) * (BLOCK // 256)
    write(volume_file(volume), 3, written)
    snapshot_id = ec2.create_snapshot(VolumeId=volume)["SnapshotId"]
    write(volume_file(volume), 3, b"later" * 100)
    ec2.get_waiter("snapshot_completed").wait(SnapshotIds=[snapshot_id], WaiterConfig={"Delay": 1})
    answer = ebs.list_snapshot_blocks(SnapshotId=snapshot_id)
    assert (answer["VolumeSize"], answer["BlockSize"]) == (4, BLOCK)
    (block,) = answer["Blocks"]
    assert block["BlockIndex"] == 3
    got = ebs.get_snapshot_block(SnapshotId=snapshot_id, BlockIndex=3, BlockToken=block["BlockToken"])
    assert got["BlockData"].read() == written
    assert got["DataLength"] == BLOCK
    assert got["Checksum"] == base64.b64encode(hashlib.sha256(written).digest()).decode()
    assert got["ChecksumAlgorithm"] == "SHA256"


@lab_test
def test_changed_blocks_are_a_superset_with_gaps(
    ebs: EBSClient, volume: str, volume_file: Callable[[str], Path], snap: Callable[[str], str]
) -> None:
    path = volume_file(volume)
    for index in (0, 1, 2, 100, 6000):
        write(path, index, b"one" * 100)
    first = snap(volume)
    write(path, 0, b"two" * 100)
    write(path, 7000, b"new" * 100)
    write(path, 100, b"one" * 100)  # written again with the same bytes: EBS may name it or not
    second = snap(volume)
    found = pages(ebs.list_changed_blocks, "ChangedBlocks", FirstSnapshotId=first, SecondSnapshotId=second)
    blocks = {row["BlockIndex"]: row for page in found for row in page}
    assert {0, 7000} <= set(blocks)  # what differs
    assert set(blocks) - {0, 7000}  # and more: nobody may take it for exact
    assert [] in found  # a page without blocks in the gap, and yet another one after it
    assert "FirstBlockToken" not in blocks[7000] and "SecondBlockToken" in blocks[7000]
    assert list(blocks) == sorted(blocks)


@lab_test
def test_pages_end_at_max_results(
    ebs: EBSClient, volume: str, volume_file: Callable[[str], Path], snap: Callable[[str], str]
) -> None:
    write(volume_file(volume), 0, b"x" * (250 * BLOCK))
    found = pages(ebs.list_snapshot_blocks, "Blocks", SnapshotId=snap(volume), MaxResults=100)
    assert [len(page) for page in found] == [100, 100, 50]
    assert [row["BlockIndex"] for page in found for row in page] == list(range(250))


@lab_test
def test_pending_is_unreadable(lasting: LabInfo, lasting_session: boto3.Session) -> None:
    ec2 = lasting_session.client("ec2", endpoint_url=lasting.endpoint)
    ebs = lasting_session.client("ebs", endpoint_url=lasting.endpoint)
    volume_id = ec2.create_volume(AvailabilityZone=lasting.availability_zone, Size=1)["VolumeId"]
    with pytest.raises(ClientError, match="ValidationException"):
        ebs.list_snapshot_blocks(SnapshotId=ec2.create_snapshot(VolumeId=volume_id)["SnapshotId"])


@lab_test
def test_refusals_name_their_reason(
    ec2: EC2Client, ebs: EBSClient, lab: LabInfo, volume: str, snap: Callable[[str], str]
) -> None:
    other = ec2.create_volume(AvailabilityZone=lab.availability_zone, Size=1)["VolumeId"]
    here, there = snap(volume), snap(other)
    rows: list[tuple[Callable[[], Any], str, str]] = [
        (lambda: ebs.list_snapshot_blocks(SnapshotId="snap-0123456789abcdef0"), "Resource", "SNAPSHOT_NOT_FOUND"),
        (
            lambda: ebs.list_changed_blocks(FirstSnapshotId=here, SecondSnapshotId=there),
            "Validation",
            "UNRELATED_SNAPSHOTS",
        ),
        (
            lambda: ebs.get_snapshot_block(SnapshotId=here, BlockIndex=0, BlockToken="abc"),
            "Validation",
            "INVALID_BLOCK_TOKEN",
        ),
        (lambda: ebs.list_snapshot_blocks(SnapshotId=here, NextToken="abcd"), "Validation", "INVALID_PAGE_TOKEN"),
    ]
    for call, kind, reason in rows:
        with pytest.raises(ClientError) as caught:
            call()
        assert caught.value.response["Error"]["Code"].startswith(kind)
        assert caught.value.response["Reason"] == reason


@pytest.mark.parametrize(
    ("found", "start", "most", "expected"),
    [
        ([], 0, 100, ([], None)),
        ([1, 2], 0, 100, ([1, 2], None)),
        ([1, 2, 5000], 0, 100, ([1, 2], 2048)),
        ([1, 2, 5000], 2048, 100, ([], 4096)),
        ([1, 2, 5000], 4096, 100, ([5000], None)),
        ([1, 2, 3], 0, 2, ([1, 2], 3)),
        ([1, 2], 0, 2, ([1, 2], None)),
        ([1, 2], 2, 100, ([2], None)),
    ],
)
def test_page(found: list[int], start: int, most: int, expected: tuple[list[int], int | None]) -> None:
    assert direct.page(found, start, most) == expected
