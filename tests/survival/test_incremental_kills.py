"""kill -9 at every step of an incremental, and in the middle of each effect, then the same command again."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from runner.workflow.sequence import INCREMENTAL
from tests.survival.driver import Fate
from tests.survival.generations import BY_GUEST, ON_SOURCE, is_up_to_date, scribble
from tests.survival.ground import DISKS, Replication

pytestmark = [pytest.mark.lab, pytest.mark.process]


def _terraform(sentence: str) -> Fate:
    return Fate("terraform", "note", sentence)


# Where a run dies between a step's start and its end, by step.
MIDDLES: dict[str, list[Fate]] = {
    "apply detached first": [_terraform("target_disk_root[0]: Destruction complete")],
    "apply staging": [_terraform("staging_disk_data[0]: Creation complete")],
    "find and restore": [
        Fate("find", "note", "blocks of the volume deviate"),
        Fate("find and restore", writes=2),
        Fate("find and restore", writes=5),
        Fate("find and restore", "note", "MiB written"),  # one disk is done
    ],
    "snapshot": [Fate("snapshot", "note")],  # after the first of two
    "commit": [Fate("commit", writes=2)],
    "apply detached": [_terraform("staging_disk_root[0]: Destruction complete")],
    "apply target": [_terraform("target_disk_data[0]: Creation complete")],
    "manifest finished": [Fate("manifest finished", "note")],
    "prune": [Fate("prune", "note"), Fate("prune", "finished")],
}
POINTS = [point for step in INCREMENTAL for point in (Fate(step.name), *MIDDLES.get(step.name, ()))]


def _id(fate: Fate) -> str:
    where = f"write {fate.writes}" if fate.writes else " ".join(part for part in (fate.status, fate.message) if part)
    return f"{fate.step}: {where}"


@pytest.fixture(scope="module")
def storm(replication: Callable[[str], Replication]) -> Replication:
    """A replica of generation 1, whose source and volumes changed since; one generation is kept."""
    made = replication("gale")
    made.spec.write_text(made.spec.read_text() + "integrity: {retention: 1, find: snapshot}\n")
    assert made.replicate().status == 0
    for disk in DISKS:
        scribble(made.source(disk), ON_SOURCE, b"changed on the source")
        scribble(made.volume_file(disk), BY_GUEST, b"written by the guest")
    made.since = len(made.lab.calls())
    return made


@pytest.mark.parametrize("fate", POINTS, ids=_id)
def test_dies_there(storm: Replication, fate: Fate) -> None:
    ended = storm.replicate(fate)
    assert ended.killed, f"it ended with {ended.status}:\n{ended.said}"
    last = storm.events()[-1]
    if not fate.writes:
        assert (last.step, last.status) == (fate.step, fate.status)
    left = storm.left()
    assert len(left["volumes"]) == len(DISKS) and len(left["instances"]) == 1


def test_then_it_is_done_and_says_so(storm: Replication) -> None:
    ended = storm.replicate()
    assert ended.status == 0 and "gale: generation 2 was complete already" in ended.said, ended.said
    is_up_to_date(storm, 2)


def test_it_was_stopped_moved_and_started_once(storm: Replication) -> None:
    effects = storm.effects()
    assert (effects["StopInstances"], effects["StartInstances"]) == (1, 1)
    assert (effects["AttachVolume"], effects["DetachVolume"]) == (2 * len(DISKS), 2 * len(DISKS))
    assert not effects["CreateVolume"] and not effects["RunInstances"] and not effects["DeleteVolume"]


def test_nothing_is_left_of_the_tries(storm: Replication) -> None:
    assert storm.left()["snapshots"] == {r["integrity_snapshot_id"] for r in storm.records(2).values()}
    assert storm.manifest(1)["status"] == "pruned"
    assert not list((storm.home / "work").glob("generation-*"))
    assert not (storm.home / "work" / "run.json").exists()


def test_and_the_next_one_is_an_incremental_of_it(storm: Replication) -> None:
    ended = storm.replicate()
    assert ended.status == 0, ended.said
    is_up_to_date(storm, 3)
    assert storm.manifest(3)["base"] == 2
