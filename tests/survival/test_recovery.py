"""What a run that died in the middle of an apply left: found by tag, brought into the state; never guessed at."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tests.survival.driver import Fate
from tests.survival.ground import DISKS, Replication

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

pytestmark = [pytest.mark.lab, pytest.mark.process]


@pytest.fixture(scope="module")
def orphan(replication: Callable[[str], Replication]) -> Replication:
    """Killed when both volumes were made and no state knew of them."""
    made = replication("orphan")
    ended = made.replicate(Fate("terraform", "note", "aws_ebs_volume.disk_root: Creation complete"))
    assert ended.killed, ended.said
    assert not (made.home / "terraform.tfstate").exists() and len(made.left()["volumes"]) == len(DISKS)
    return made


def test_blank_duplicates_are_removed_and_one_a_disk_is_kept(orphan: Replication, ec2: EC2Client) -> None:
    first = orphan.left()["volumes"]
    tags = {
        "Name": "hotadd-orphan-data",
        "hotadd:disk": "data",
        "hotadd:replication": "orphan",
        "hotadd:role": "volume",
    }
    ec2.create_volume(
        AvailabilityZone=orphan.lab.info.availability_zone,
        Size=1,
        VolumeType="gp3",
        Encrypted=True,
        TagSpecifications=[{"ResourceType": "volume", "Tags": [{"Key": k, "Value": v} for k, v in tags.items()]}],
    )
    assert len(orphan.left()["volumes"]) == len(first) + 1
    ended = orphan.replicate(Fate("restore", "started"))
    assert ended.killed, ended.said
    kept = orphan.left()["volumes"]
    assert len(kept) == len(DISKS) and kept == set(orphan.outputs()["volumes"].values())
    assert orphan.effects()["CreateVolume"] == len(DISKS) + 1  # the third was this test's
    assert any("blank duplicate" in (event.message or "") for event in orphan.events())


def test_volumes_that_the_state_lacks_for_no_known_reason_are_refused(orphan: Replication) -> None:
    state = orphan.home / "terraform.tfstate"
    before, text = orphan.left(), state.read_text()
    state.unlink()
    ended = orphan.replicate(Fate(version="2"))
    assert ended.status == 3, ended.said
    for volume in before["volumes"]:
        assert f"{volume}" in ended.said
    assert "its state does not know them" in ended.said and "\nhint: " in ended.said
    assert orphan.left() == before
    state.write_text(text)
    ended = orphan.replicate(Fate(version="2"))
    assert ended.status == 0, ended.said
    assert orphan.left()["volumes"] == before["volumes"]


def test_a_state_lost_after_preflight_is_refused_too(replication: Callable[[str], Replication]) -> None:
    made = replication("forgotten")
    assert made.replicate(Fate("apply launched", "started")).killed
    state = made.home / "terraform.tfstate"
    before, text = made.left(), state.read_text()
    state.unlink()
    ended = made.replicate()
    assert ended.status == 3 and "its state does not know them" in ended.said, ended.said
    assert made.left() == before
    state.write_text(text)
    assert made.replicate().status == 0
