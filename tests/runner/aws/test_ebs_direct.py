"""Listings of EBS direct on a bad day, against the lab: what comes is what comes on a good one."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Iterator

import boto3
import pytest

from runner.aws import ebs_direct
from runner.aws.account import Account, Throttled
from runner.aws.ebs_direct import ListingBroken, SnapshotUnknown, changed_blocks, list_blocks
from runner.lab import account
from runner.lab.record import LabInfo

pytestmark = [pytest.mark.lab, pytest.mark.process]

BLOCK = 512 * 1024
WRITTEN = [0, 1, 3000, 6000]  # far apart: the lab looks at 2048 blocks a page
CHANGED = [1, 3000, 3500, 8000]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabInfo]:
    directory = tmp_path_factory.mktemp("lab")
    info = account.up(directory, boot=False, snapshot_seconds=0.1)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in account.environment(directory).items():
            patch.setenv(name, value)
        yield info
    account.down(directory)


@pytest.fixture(scope="module")
def snapshots(lab: LabInfo) -> tuple[str, str]:
    """Two of one volume."""
    ec2 = boto3.client("ec2")
    volume = ec2.create_volume(AvailabilityZone=lab.availability_zone, Size=6, VolumeType="gp3")["VolumeId"]
    made = []
    for blocks, text in ((WRITTEN, b"one"), (CHANGED, b"two")):
        with open(lab.layout.volume(volume), "r+b") as file:
            for block in blocks:
                file.seek(block * BLOCK)
                file.write(text)
        made.append(ec2.create_snapshot(VolumeId=volume)["SnapshotId"])
        ec2.get_waiter("snapshot_completed").wait(SnapshotIds=made, WaiterConfig={"Delay": 1})
    return made[0], made[1]


@pytest.fixture
def fault(lab: LabInfo, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """`fault(action, code, ...)`: one more in the lab, for this test."""
    monkeypatch.setattr(ebs_direct, "_UNKNOWN_PAUSES", (0.01,) * 4)

    def call(method: str, body: object = None) -> None:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{lab.endpoint}/hotadd-lab/faults", data, method=method)
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30).close()

    def add(action: str, code: str, **fields: object) -> None:
        call("POST", {"service": "ebs", "action": action, "error_code": code, **fields})

    yield add
    call("DELETE")


def changed(lab: LabInfo, snapshots: tuple[str, str]) -> list[int]:
    return [block.index for block in changed_blocks(Account(lab.region), *snapshots)]


def is_whole(found: list[int]) -> bool:
    """Every block that changed, in order and once: a superset."""
    return set(CHANGED) <= set(found) and found == sorted(set(found))


def test_all_pages_come(lab: LabInfo, snapshots: tuple[str, str]) -> None:
    assert is_whole(changed(lab, snapshots))
    assert [b.index for b in list_blocks(Account(lab.region), snapshots[0])] == WRITTEN


@pytest.mark.parametrize("after", [1, 2, 3])
def test_a_page_token_that_expired(
    lab: LabInfo, snapshots: tuple[str, str], fault: Callable[..., None], after: int
) -> None:
    fault("ListChangedBlocks", "ValidationException", reason="INVALID_PAGE_TOKEN", after=after, times=1)
    assert is_whole(changed(lab, snapshots))


def test_a_snapshot_that_is_not_known_yet(lab: LabInfo, snapshots: tuple[str, str], fault: Callable[..., None]) -> None:
    fault("ListChangedBlocks", "ResourceNotFoundException", reason="SNAPSHOT_NOT_FOUND", times=3)
    assert is_whole(changed(lab, snapshots))


def test_throttled_for_a_while(lab: LabInfo, snapshots: tuple[str, str], fault: Callable[..., None]) -> None:
    fault("ListChangedBlocks", "RequestThrottledException", times=2)
    assert is_whole(changed(lab, snapshots))


@pytest.mark.parametrize(
    ("code", "fields", "error"),
    [
        ("ResourceNotFoundException", {"reason": "SNAPSHOT_NOT_FOUND"}, SnapshotUnknown),
        ("ValidationException", {"reason": "INVALID_PAGE_TOKEN", "after": 1}, ListingBroken),
    ],
)
def test_for_good_within_bounds(
    lab: LabInfo,
    snapshots: tuple[str, str],
    fault: Callable[..., None],
    code: str,
    fields: dict[str, object],
    error: type[Exception],
) -> None:
    fault("ListChangedBlocks", code, times=0, **fields)
    with pytest.raises(error):
        changed(lab, snapshots)


def test_a_listing_that_was_throttled_for_good(
    lab: LabInfo, snapshots: tuple[str, str], fault: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    fault("ListChangedBlocks", "RequestThrottledException", times=0)
    with pytest.raises(Throttled):
        changed(lab, snapshots)
