"""Drift of the journey's replica, which runs, seen through real Terraform, the real provider and a real appliance.

After the other stations: this look makes calls of its own.
"""

from __future__ import annotations

import json

import boto3
import pytest

from runner.lab import account
from tests.journey.conftest import Journey, hotadd

pytestmark = [
    pytest.mark.terraform,
    pytest.mark.guestfs,
    pytest.mark.boot,
    pytest.mark.lab,
    pytest.mark.node,
    pytest.mark.process,
    pytest.mark.xdist_group("journey"),
]


def test_a_tag_by_hand_and_the_replica_s_own_writes_are_all_there_is(journey: Journey) -> None:
    session = boto3.Session(account.ACCESS_KEY, account.SECRET_KEY, region_name=journey.info.region)
    ec2 = session.client("ec2", endpoint_url=journey.info.endpoint)
    instance = journey.manifest["instance_id"]
    before = {s["SnapshotId"] for s in ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]}
    ec2.create_tags(Resources=[instance], Tags=[{"Key": "Owner", "Value": "nobody"}])
    try:
        looked = hotadd(["drift", str(journey.spec), "--json", "--files"], journey.lab)
    finally:
        ec2.delete_tags(Resources=[instance], Tags=[{"Key": "Owner"}])
    assert looked.returncode == 2, looked.stderr
    drift = json.loads(looked.stdout)
    found = [(d["subject"], d["resource_id"], d["kind"], d["attribute"], d["found"]) for d in drift["infrastructure"]]
    assert found == [("aws_instance.destination[0]", instance, "changed", "tags.Owner", '"nobody"')]
    assert (drift["instance_state"], drift["since_launch"], drift["moving"]) == ("running", True, True)
    # A boot writes the root's journal and below /var; a mount writes the data disk's superblock, which no file owns.
    disks = {disk["id"]: disk for disk in drift["disks"]}
    assert all(disk["compared"] and disk["blocks"] for disk in disks.values())
    paths = {file["path"] for file in disks["root"]["files"]}
    assert "[journal]" in paths and any(path.startswith("/var/") for path in paths), sorted(paths)
    assert {s["SnapshotId"] for s in ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]} == before
