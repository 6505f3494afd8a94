"""Restore without replication: the machine runs, no snapshot is billed, and what may come after is told apart."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.survival.driver import Fate
from tests.survival.ground import DISKS, Lab, Replication
from tests.survival.holding import assert_holds
from tests.survival.quick_guest import injected

pytestmark = [pytest.mark.lab, pytest.mark.process]


@pytest.fixture(scope="module")
def once(replication: Callable[[str], Replication]) -> Replication:
    return replication("once")


def _run(made: Replication, command: str, *words: str, fate: Fate | None = None) -> tuple[int, str]:
    ended = made.run([command, str(made.spec), *words], fate)
    return ended.status, ended.said


@pytest.mark.parametrize(
    "fate",
    [
        Fate("restore", writes=3),
        Fate("manifest finished", "finished"),
        Fate("forget", "note"),
        Fate("forget", "finished"),
    ],
    ids=lambda fate: f"{fate.step} {fate.status}",
)
def test_killed_it_goes_on(once: Replication, fate: Fate) -> None:
    ended = once.run(["restore-vm", str(once.spec)], fate)
    assert ended.killed, ended.said
    assert len(once.left()["instances"]) <= 1 and len(once.left()["volumes"]) <= 3
    refused, said = _run(once, "replicate")
    assert refused == 3 and "A `hotadd restore-vm` of once is under way" in said, said


def test_then_the_machine_runs_and_no_snapshot_is_left(once: Replication, lab: Lab) -> None:
    status, said = _run(once, "restore-vm")
    assert status == 0, said
    outputs = once.outputs()
    assert once.left() == {
        "volumes": set(outputs["volumes"].values()),
        "instances": {outputs["instance_id"]},
        "snapshots": set(),
    }
    assert lab.instances()[outputs["instance_id"]] == "running"
    for disk in DISKS:
        assert_holds(once.volume_file(disk), injected(once.source(disk).read_bytes()))
    # Each effect was had once, whatever died; and the two snapshots were removed.
    effects = once.effects()
    assert (effects["CreateSnapshot"], effects["DeleteSnapshot"], effects["RunInstances"]) == (2, 2, 1)
    assert once.manifest()["status"] == "pruned"
    assert not [file for file in once.files() if file.endswith(".digests")]
    assert "once: restored once, without replication" in _run(once, "status")[1]


@pytest.mark.parametrize(("command", "said"), [("replicate", "--repair"), ("restore-vm", "was restored once")])
def test_what_comes_after_is_refused_with_the_reason(once: Replication, command: str, said: str) -> None:
    before = once.effects()
    status, told = _run(once, command)
    assert status == 3 and "once was restored once, without replication" in told and said in told, told
    assert once.effects() == before


def test_a_repair_takes_it_into_replication(once: Replication) -> None:
    status, told = _run(once, "replicate", "--repair")
    assert status == 0, told
    assert "once: replicated" in _run(once, "status")[1]
    assert len(once.left()["snapshots"]) == len(DISKS) and len(once.left()["volumes"]) == len(DISKS)
    for disk in DISKS:
        assert_holds(once.volume_file(disk), injected(once.source(disk).read_bytes()))


def test_it_can_still_be_removed(once: Replication) -> None:
    once.spec.write_text(once.spec.read_text() + "decommission: true\n")
    status, told = _run(once, "decommission", "--yes")
    assert status == 0, told
    assert once.left() == {"volumes": set(), "instances": set(), "snapshots": set()}
    assert not once.home.exists()


def test_a_replicated_machine_is_not_restored_once(replication: Callable[[str], Replication]) -> None:
    kept = replication("kept")
    assert _run(kept, "replicate")[0] == 0
    status, told = _run(kept, "restore-vm")
    assert status == 3 and "kept is replicated (generation 1)" in told, told
    assert len(kept.left()["snapshots"]) == len(DISKS)
