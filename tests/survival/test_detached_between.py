"""A run that was killed, then volumes that were elsewhere for a while and came back: what was copied is void."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tests.survival.driver import Fate
from tests.survival.generations import BY_GUEST, MIB, ON_SOURCE, is_up_to_date, scribble
from tests.survival.ground import DISKS, Replication

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

pytestmark = [pytest.mark.lab, pytest.mark.process]

POINTS = [
    Fate("snapshot"),
    Fate("snapshot", "note"),  # one snapshot is there, and of good bytes
    Fate("prepare guest", "finished"),
    Fate("manifest prepared"),
    Fate("commit", writes=2),
]


def _elsewhere(made: Replication, ec2: EC2Client) -> None:
    """What a boot between two deploys does: the volumes go, a guest writes to them, the volumes come back."""
    time.sleep(1.1)  # AttachTime counts seconds; no detachment and attachment in EC2 is done within one
    for disk, volume in made.outputs()["volumes"].items():
        [held] = ec2.describe_volumes(VolumeIds=[volume])["Volumes"][0]["Attachments"]
        ec2.detach_volume(VolumeId=volume)
        scribble(made.lab.info.layout.volume(volume), BY_GUEST + (41 * MIB,), b"written by the guest " + disk.encode())
        ec2.attach_volume(VolumeId=volume, InstanceId=held["InstanceId"], Device=held["Device"])


@pytest.fixture(scope="module")
def replica(replication: Callable[[str], Replication]) -> Replication:
    made = replication("wandering")
    assert made.replicate().status == 0
    return made


@pytest.mark.parametrize("generation", range(2, 2 + len(POINTS)), ids=lambda n: POINTS[n - 2].step)
def test_an_incremental_finds_and_writes_again(replica: Replication, ec2: EC2Client, generation: int) -> None:
    fate = POINTS[generation - 2]
    scribble(replica.source("root"), ON_SOURCE, f"changed for {generation}".encode())
    assert replica.replicate(fate).killed
    _elsewhere(replica, ec2)
    ended = replica.replicate()
    assert ended.status == 0, ended.said
    is_up_to_date(replica, generation)
    again = [e for e in replica.events() if "was detached since its data was copied" in (e.message or "")]
    assert len(again) == generation - 1


@pytest.mark.parametrize("fate", [Fate("restore", writes=20), POINTS[0], POINTS[-1]], ids=lambda fate: fate.step)
def test_a_full_copy_begins_anew(replication: Callable[[str], Replication], ec2: EC2Client, fate: Fate) -> None:
    made = replication(f"astray-{fate.step}")
    assert made.replicate(fate).killed
    _elsewhere(made, ec2)
    # A kill in the copy that is made again must not make the next one believe what is on the volume.
    assert made.replicate(Fate(fate.step, writes=3)).killed
    ended = made.replicate()
    assert ended.status == 0, ended.said
    for disk in DISKS:
        assert made.snapshot_file(1, disk).read_bytes()[: 64 * MIB] == made.source(disk).read_bytes()
