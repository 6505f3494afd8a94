"""What a rerun must not believe: snapshots, states, overlays, volumes and specs that are no longer what they were."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.survival.driver import Fate
from tests.survival.ground import DISK_BYTES, DISKS, Ended, Lab, Replication, write_source
from tests.survival.holding import assert_holds
from tests.survival.quick_guest import CLUSTER, INJECTED, injected

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ec2.type_defs import TagTypeDef

pytestmark = [pytest.mark.lab, pytest.mark.process]

# Within a block that a commit writes, beside the bytes that the tests' conversion changes there: what another
# conversion, committed in part, would have left.
_BESIDE = min(INJECTED) + CLUSTER // 2
_LEFT_BEHIND = b"half of another conversion" * 100


def _refused(ended: Ended, sentence: str, status: int = 3) -> None:
    assert ended.status == status, ended.said
    assert sentence in ended.said and "\nhint: " in ended.said and "Traceback" not in ended.said, ended.said


def _replicated(made: Replication) -> None:
    """Every volume and every integrity snapshot in the manifest holds what the source, as it is now, says."""
    layout = made.lab.info.layout
    disks = {disk["id"]: disk for disk in made.manifest()["disks"]}
    assert set(disks) == set(DISKS)
    for disk, record in disks.items():
        source = made.source(disk).read_bytes()
        assert record["volume_id"] == made.outputs()["volumes"][disk]
        assert_holds(layout.snapshot(record["integrity_snapshot_id"]), source)
        assert_holds(layout.volume(record["volume_id"]), injected(source))


@pytest.fixture(scope="module")
def namesake(replication: Callable[[str], Replication]) -> Replication:
    """Killed when its data was complete, and no snapshot taken."""
    made = replication("namesake")
    ended = made.replicate(Fate("snapshot", "started"))
    assert ended.killed and not made.left()["snapshots"], ended.said
    return made


@pytest.fixture(scope="module")
def strange(namesake: Replication, ec2: EC2Client) -> set[str]:
    """Of another volume, but of the same data; and of the right volume, but of other data."""
    zone = namesake.lab.info.availability_zone
    other = ec2.create_volume(AvailabilityZone=zone, Size=1, VolumeType="gp3")["VolumeId"]
    ec2.get_waiter("volume_available").wait(VolumeIds=[other], WaiterConfig={"Delay": 1})
    restored = json.loads((namesake.work / "data.restored.json").read_text())
    made = {
        _snapshot_by_hand(ec2, other, "data", restored["copy"]),
        _snapshot_by_hand(ec2, namesake.outputs()["volumes"]["root"], "root", "0" * 64),
    }
    ec2.get_waiter("snapshot_completed").wait(SnapshotIds=sorted(made), WaiterConfig={"Delay": 1})
    ec2.delete_volume(VolumeId=other)
    return made


class TestStrangersSnapshots:
    """A replication that finds snapshots of its own name which are not its own; then the ways to remove it."""

    def test_are_not_taken_for_its_own(self, namesake: Replication, strange: set[str]) -> None:
        ended = namesake.replicate()
        assert ended.status == 0, ended.said
        own = {disk["integrity_snapshot_id"] for disk in namesake.manifest()["disks"]}
        assert not own & strange
        assert namesake.left()["snapshots"] == own | strange
        assert namesake.effects()["CreateSnapshot"] == len(DISKS) + len(strange)
        _replicated(namesake)

    @pytest.mark.parametrize("words", [[], ["--yes"]], ids=["planned", "with --yes"])
    def test_a_removal_from_another_backend_is_refused(
        self, namesake: Replication, strange: set[str], tmp_path: Path, words: list[str]
    ) -> None:
        before = namesake.left()
        wrong = tmp_path / "wrong.yaml"
        text = namesake.spec.read_text()
        wrong.write_text(
            text.replace(str(namesake.directory / "state"), str(tmp_path / "state")) + "decommission: true\n"
        )
        ended = namesake.run(["decommission", str(wrong), *words])
        _refused(ended, "its state does not know them")
        assert all(volume in ended.said for volume in before["volumes"])
        assert namesake.left() == before and "DeleteSnapshot" not in namesake.effects()

    def test_a_removal_without_the_specs_word_is_refused(self, namesake: Replication) -> None:
        before = namesake.left()
        _refused(namesake.run(["decommission", str(namesake.spec), "--yes"]), "does not say `decommission: true`")
        assert namesake.left() == before

    def test_a_removal_goes_through_when_the_destination_is_gone(self, namesake: Replication, ec2: EC2Client) -> None:
        destination = namesake.outputs()["instance_id"]
        ec2.terminate_instances(InstanceIds=[destination])
        ec2.get_waiter("instance_terminated").wait(InstanceIds=[destination], WaiterConfig={"Delay": 1})
        before = namesake.left()
        assert len(before["volumes"]) == len(DISKS)
        namesake.spec.write_text(namesake.spec.read_text() + "decommission: true\n")
        planned = namesake.run(["decommission", str(namesake.spec)])
        assert planned.status == 2 and "Nothing was removed." in planned.said, planned.said
        assert namesake.left() == before
        ended = namesake.run(["decommission", str(namesake.spec), "--yes"])
        assert ended.status == 0, ended.said
        assert not any(namesake.left().values())
        assert not namesake.home.exists()


def _snapshot_by_hand(ec2: EC2Client, volume: str, disk: str, data: str) -> str:
    """A snapshot with every tag that an integrity snapshot of `namesake` has (docs/architecture.md)."""
    tags: list[TagTypeDef] = [
        {"Key": "hotadd:replication", "Value": "namesake"},
        {"Key": "hotadd:role", "Value": "integrity"},
        {"Key": "hotadd:disk", "Value": disk},
        {"Key": "hotadd:generation", "Value": "1"},
        {"Key": "hotadd:copy", "Value": data},
    ]
    answer = ec2.create_snapshot(VolumeId=volume, TagSpecifications=[{"ResourceType": "snapshot", "Tags": tags}])
    return answer["SnapshotId"]


class TestOverlaysLost:
    """Killed in the middle of the commit, and the overlays deleted: what they held is known to nobody."""

    @staticmethod
    def _lose(made: Replication) -> None:
        ended = made.replicate(Fate("commit", writes=2))
        assert ended.killed, ended.said
        overlays = sorted(made.work.glob("overlay-*.qcow2"))
        assert len(overlays) == len(DISKS)
        for overlay in overlays:
            overlay.unlink()
        for disk in DISKS:
            _leave_behind(made.volume_file(disk))

    def test_the_volumes_get_the_sources_bytes_and_are_converted_anew(
        self, replication: Callable[[str], Replication]
    ) -> None:
        made = replication("overlaid")
        self._lose(made)
        ended = made.replicate()
        assert ended.status == 0, ended.said
        _replicated(made)
        assert made.effects()["CreateSnapshot"] == len(DISKS) and made.twice() == []

    def test_a_source_that_moved_is_no_help_and_is_copied_anew(self, replication: Callable[[str], Replication]) -> None:
        made = replication("moved")
        self._lose(made)
        before = _beginnings(made)
        left = made.left()
        write_source(made.source("root"), seed=77)
        _refused(made.replicate(), "its source changed since it was copied", status=4)
        assert _beginnings(made) == before
        assert made.left() == left
        # As the hint says. The other disk's source is as it was: its volume must be mended all the same.
        ended = made.run(["restore", str(made.spec)])
        assert ended.status == 0, ended.said
        ended = made.replicate()
        assert ended.status == 0, ended.said
        _replicated(made)

    def test_a_source_that_does_not_tell_that_it_changed_is_held_to_its_digests(
        self, replication: Callable[[str], Replication]
    ) -> None:
        """As a block device: other bytes, and the same time and size. The same command copies them anew."""
        made = replication("untold")
        self._lose(made)
        source = made.source("root")
        was = source.stat()
        with open(source, "r+b") as file:
            file.seek(_BESIDE + 4096)
            file.write(b"changed, and nobody tells")
        os.utime(source, ns=(was.st_atime_ns, was.st_mtime_ns))
        _refused(made.replicate(), "its source changed since it was copied", status=4)
        ended = made.replicate()
        assert ended.status == 0, ended.said
        _replicated(made)


def test_a_snapshot_lost_after_the_commit_began_is_taken_of_a_copy_made_anew(
    replication: Callable[[str], Replication], ec2: EC2Client
) -> None:
    """The hint of the refusal leads on, though the source, and so every digest, is what it was."""
    made = replication("snapless")
    ended = made.replicate(Fate("commit", writes=2))
    assert ended.killed, ended.said
    for snapshot in made.left()["snapshots"]:
        ec2.delete_snapshot(SnapshotId=snapshot)
    _refused(made.run(["snapshot", str(made.spec)]), "was injected already", status=4)
    shutil.rmtree(made.work)
    ended = made.run(["restore", str(made.spec)])
    assert ended.status == 0, ended.said
    ended = made.replicate()
    assert ended.status == 0, ended.said
    _replicated(made)


def test_a_snapshot_lost_before_anything_was_injected_is_taken_again(
    replication: Callable[[str], Replication], ec2: EC2Client
) -> None:
    made = replication("snapgone")
    ended = made.replicate(Fate("manifest prepared"))
    assert ended.killed, ended.said
    ec2.delete_snapshot(SnapshotId=sorted(made.left()["snapshots"])[0])
    ended = made.replicate()
    assert ended.status == 0, ended.said
    _replicated(made)
    assert made.effects()["CreateSnapshot"] == len(DISKS) + 1


def _beginnings(made: Replication) -> dict[str, bytes]:
    """What the volumes hold where the disks' data goes."""
    held: dict[str, bytes] = {}
    for disk in DISKS:
        with open(made.volume_file(disk), "rb") as file:
            held[disk] = file.read(DISK_BYTES)
    return held


def _leave_behind(volume: Path) -> None:
    with open(volume, "r+b") as file:
        file.seek(_BESIDE)
        file.write(_LEFT_BEHIND)


def test_a_volume_that_was_deleted_is_not_made_anew(replication: Callable[[str], Replication], ec2: EC2Client) -> None:
    made = replication("bereft")
    ended = made.replicate(Fate("apply detached", "finished"))
    assert ended.killed, ended.said
    lost = made.outputs()["volumes"]["data"]
    ec2.delete_volume(VolumeId=lost)
    left = made.left()
    for _ in range(2):  # a refused plan is an end: the second run is refused for the same reason
        _refused(made.replicate(), "aws_ebs_volume.disk_data would be made anew, and empty: the old one is gone")
        assert not (made.home / "work" / "applying.json").exists()
    assert made.left() == left and not left["instances"]
    assert made.effects()["CreateVolume"] == len(DISKS) and not made.effects()["RunInstances"]


@pytest.fixture(scope="module")
def mended(replication: Callable[[str], Replication]) -> Replication:
    return replication("mended")


@pytest.fixture
def no_launch(lab: Lab) -> Iterator[None]:
    lab.control(
        "POST",
        "faults",
        {"service": "ec2", "action": "RunInstances", "error_code": "UnauthorizedOperation", "times": 0},
    )
    yield
    lab.control("DELETE", "faults")


class TestMendedSpec:
    """A run fails after its preflight; the spec is changed; what preflight said of the old one is void."""

    @pytest.mark.usefixtures("no_launch")
    def test_the_launch_fails_for_good(self, mended: Replication) -> None:
        ended = mended.replicate()
        assert ended.status == 1 and "RunInstances" in ended.said, ended.said
        assert mended.events()[-1].step == "apply launched"

    def test_a_type_that_nobody_has_is_refused_by_preflight(self, mended: Replication) -> None:
        before, effects = mended.left(), mended.effects()
        mended.edit("m5.large", "m5.gigantic")
        _refused(mended.replicate(), "has no instance type m5.gigantic")
        last = mended.events()[-1]
        assert (last.step, last.status) == ("preflight", "failed")
        assert (mended.left(), mended.effects()) == (before, effects)

    def test_set_right_it_finishes_with_what_the_spec_says_now(self, mended: Replication, ec2: EC2Client) -> None:
        mended.edit("m5.gigantic", "m5.xlarge")
        ended = mended.replicate()
        assert ended.status == 0, ended.said
        [instance] = mended.left()["instances"]
        answer = ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]
        assert answer["InstanceType"] == "m5.xlarge"
        # Nothing was done twice, though the run began at its first step again.
        effects = mended.effects()
        assert (effects["CreateVolume"], effects["CreateSnapshot"], effects["RunInstances"]) == (
            len(DISKS),
            len(DISKS),
            1,
        )
        _replicated(mended)
