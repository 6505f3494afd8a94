"""kill -9 at every boundary of every step and in the middle of each effect, then the same command again.

One replication goes through the whole table, in order; each row is killed at its point and must die there. What the
run says of itself is believed for the place alone: effects are counted in the lab's log of calls.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from runner.workflow.sequence import FULL
from tests.survival.driver import Fate
from tests.survival.ground import DISK_BYTES, DISKS, EFFECTS, Lab, Replication
from tests.survival.holding import assert_holds
from tests.survival.quick_guest import injected

pytestmark = [pytest.mark.lab, pytest.mark.process]


def _made(address: str) -> Fate:
    return Fate("terraform", "note", f"{address}: Creation complete")


# Where a run dies between a step's start and its end, by step.
MIDDLES: dict[str, list[Fate]] = {
    "apply staging": [
        _made("aws_ebs_volume.disk_data"),  # one volume exists that no state knows
        Fate("recovery", "note", "goes into the state"),
        _made("aws_ebs_volume.disk_root"),
        _made("aws_volume_attachment.staging_disk_data[0]"),
    ],
    "restore": [Fate("restore", writes=5), Fate("restore", "progress")],
    "snapshot": [Fate("snapshot", "note")],  # after the first of two
    "prepare guest": [Fate("inject", "note")],  # overlays made, no record of them yet
    "commit": [Fate("commit", writes=2), Fate("commit", writes=5)],
    "apply detached": [Fate("terraform", "note", "staging_disk_root[0]: Destruction complete")],
    "apply launched": [
        # The provider tags the shell's root by a call of its own, once the instance runs.
        Fate("terraform", "note", "aws_instance.destination[0]: Still creating"),
        Fate("recovery", "note", "goes into the state"),
        Fate("terraform", "note", "Plan: 0"),
    ],
    "root swap": [Fate("root swap", "note", "is detached"), Fate("root swap", "note", "is deleted")],
    "apply target": [_made("aws_volume_attachment.target_disk_data[0]")],
    "manifest finished": [Fate("manifest finished", "note")],
}
POINTS = [
    point
    for step in FULL
    for point in (Fate(step.name, "started"), *MIDDLES.get(step.name, ()), Fate(step.name, "finished"))
]


def _id(fate: Fate) -> str:
    where = f"write {fate.writes}" if fate.writes else " ".join(part for part in (fate.status, fate.message) if part)
    return f"{fate.step}: {where}"


@pytest.fixture(scope="module")
def calm(replication: Callable[[str], Replication]) -> Replication:
    """A replication that nothing disturbs."""
    made = replication("calm")
    ended = made.replicate()
    assert ended.status == 0, ended.said
    made.until = len(made.lab.calls())
    return made


@pytest.fixture(scope="module")
def storm(replication: Callable[[str], Replication], calm: Replication) -> Replication:
    """The replication that is killed again and again. Made after the calm one has had its effects."""
    return replication("storm")


@pytest.fixture(scope="module")
def moving(replication: Callable[[str], Replication], calm: Replication) -> Replication:
    """The replication that is upgraded again and again."""
    return replication("moving")


class TestKilled:
    """Rows of the table, then what is left after it."""

    @pytest.mark.parametrize("fate", POINTS, ids=_id)
    def test_dies_there_and_has_no_effect_twice(self, storm: Replication, fate: Fate) -> None:
        ended = storm.replicate(fate)
        assert ended.killed, f"it ended with {ended.status}:\n{ended.said}"
        last = storm.events()[-1]
        if not fate.writes:
            assert (last.step, last.status) == (fate.step, fate.status)
        assert storm.twice() == []
        made = storm.left()
        # The shell's own root is there between its launch and the root swap.
        assert len(made["volumes"]) <= 3 and len(made["instances"]) <= 1 and len(made["snapshots"]) <= 2

    def test_then_is_done(self, storm: Replication) -> None:
        ended = storm.replicate()
        # The last row died when all was done and only the note of that was missing.
        assert ended.status == 0 and "storm: generation 1 was complete already" in ended.said, ended.said
        assert "storm: replicated" in _status(storm)

    def test_had_every_effect_as_often_as_a_calm_run(self, calm: Replication, storm: Replication) -> None:
        assert storm.effects() == calm.effects()
        assert set(calm.effects()) <= set(EFFECTS) and calm.effects()["CreateVolume"] == len(DISKS)
        assert storm.twice() == []

    @pytest.mark.parametrize("disk", DISKS)
    @pytest.mark.parametrize("name", ["calm", "storm"])
    def test_volumes_hold_the_source_and_what_was_injected(
        self, request: pytest.FixtureRequest, lab: Lab, name: str, disk: str
    ) -> None:
        made: Replication = request.getfixturevalue(name)
        assert_holds(lab.info.layout.volume(made.outputs()["volumes"][disk]), injected(made.source(disk).read_bytes()))

    @pytest.mark.parametrize("disk", DISKS)
    def test_snapshots_hold_the_source(self, lab: Lab, storm: Replication, disk: str) -> None:
        record = next(d for d in storm.manifest()["disks"] if d["id"] == disk)
        assert_holds(lab.info.layout.snapshot(record["integrity_snapshot_id"]), storm.source(disk).read_bytes())

    def test_manifest_is_that_of_a_calm_run(self, calm: Replication, storm: Replication) -> None:
        assert _normal(storm) == _normal(calm)
        assert storm.manifest()["status"] == "finished"

    def test_leaves_in_the_account_what_a_calm_run_leaves(
        self, lab: Lab, calm: Replication, storm: Replication
    ) -> None:
        outputs, manifest = storm.outputs(), storm.manifest()
        assert storm.left() == {
            "volumes": set(outputs["volumes"].values()),
            "instances": {outputs["instance_id"]},
            "snapshots": {disk["integrity_snapshot_id"] for disk in manifest["disks"]},
        }
        attached = {
            v.id: (v.instance, v.device) for v in lab.volumes().values() if v.instance == outputs["instance_id"]
        }
        assert attached == {
            outputs["volumes"][disk]: (outputs["instance_id"], device)
            for disk, device in outputs["destination_devices"].items()
        }
        assert lab.instances()[outputs["instance_id"]] == "running"

    def test_leaves_at_home_what_a_calm_run_leaves(self, calm: Replication, storm: Replication) -> None:
        assert {_unnamed(f, storm) for f in storm.files()} == {_unnamed(f, calm) for f in calm.files()}

    def test_gives_its_slots_back(self, storm: Replication) -> None:
        files = list((storm.machine_home / "nodes").glob("*.json"))
        assert [json.loads(file.read_text()) for file in files] == [{}]


class TestUpgraded:
    """Killed, then gone on with by a release whose workflow has another number, three times over."""

    @pytest.mark.parametrize(
        "fate",
        [
            Fate("terraform", "note", "aws_ebs_volume.disk_root: Creation complete", version="1"),
            Fate("restore", writes=5, version="2"),
            Fate("commit", "finished", version="3"),
            Fate("root swap", "finished", version="4"),
            Fate("apply target", "finished", version="5"),
        ],
        ids=_id,
    )
    def test_dies_there(self, moving: Replication, fate: Fate) -> None:
        ended = moving.replicate(fate)
        assert ended.killed, ended.said
        assert moving.twice() == []

    def test_then_completes_with_the_effects_of_a_calm_run(self, moving: Replication, calm: Replication) -> None:
        ended = moving.replicate(Fate(version="6"))
        assert ended.status == 0, ended.said
        told = [e.message or "" for e in moving.events()]
        assert any(m.startswith("A run of version 5-") and "taken over from its first step" in m for m in told)
        assert moving.effects() == calm.effects()
        assert _normal(moving) == _normal(calm)


def _status(made: Replication) -> str:
    return made.run(["status", str(made.spec)]).said


def _normal(made: Replication) -> Any:
    """A manifest without what differs between two replications of equal disks: names, ids, times, inodes."""
    text = json.dumps(made.manifest()).replace(str(made.directory), "").replace(made.name, "NAME")
    text = re.sub(r"(vol|snap|i)-[0-9a-f]{17}", r"\1", text)
    manifest = json.loads(text)
    del manifest["created"], manifest["finished"], manifest["seconds"], manifest["seal"]
    for disk in manifest["disks"]:
        assert disk["volume_bytes"] == 1 << 30 and disk["source"]["bytes"] == DISK_BYTES
        del disk["source"]["mtime_ns"], disk["source"]["inode"], disk["digest_of_digests"], disk["copy"]
    return manifest


def _unnamed(file: str, made: Replication) -> str:
    return file.replace(made.name, "NAME")
