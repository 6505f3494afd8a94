"""Back to an older generation, on the same volumes, without the source; also from an incremental that does not boot."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.survival.driver import Fate
from tests.survival.generations import BLOCK, BY_GUEST, ON_SOURCE, blocks, holds, is_up_to_date, scribble
from tests.survival.ground import DISKS, Ended, Lab, Replication

pytestmark = [pytest.mark.lab, pytest.mark.process]


def back(made: Replication, generation: int, fate: Fate | None = None) -> Ended:
    return made.run(["rollback", str(made.spec), "--generation", str(generation)], fate)


@pytest.fixture(scope="module")
def first() -> dict[str, bytes]:
    """The first generation's source, once it was replicated."""
    return {}


@pytest.fixture(scope="module")
def regret(replication: Callable[[str], Replication], first: dict[str, bytes]) -> Replication:
    """Two generations; the second is regretted. What deviates is found by snapshots."""
    made = replication("regret")
    made.spec.write_text(made.spec.read_text() + "integrity: {retention: 9, find: snapshot}\n")
    assert made.replicate().status == 0
    first.update({disk: made.source(disk).read_bytes() for disk in DISKS})
    for disk in DISKS:
        scribble(made.source(disk), ON_SOURCE, b"an update that went wrong")
    ended = made.replicate()
    assert ended.status == 0, ended.said
    for disk in DISKS:
        scribble(made.volume_file(disk), BY_GUEST, b"and what it did since")
    return made


@pytest.fixture
def no_boot(lab: Lab) -> Iterator[None]:
    lab.control("POST", "faults", {"service": "ec2", "action": "StartInstances", "error_code": "launch-error"})
    yield
    lab.control("DELETE", "faults")


class TestRollback:
    def test_to_a_generation_that_nobody_has(self, regret: Replication) -> None:
        ended = back(regret, 7)
        assert ended.status == 3 and "those kept are: 1, 2" in ended.said, ended.said

    def test_killed_while_it_writes_a_replication_is_refused(self, regret: Replication) -> None:
        ended = back(regret, 1, Fate("find and restore", writes=3))
        assert ended.killed, ended.said
        ended = regret.replicate()
        assert ended.status == 3 and "regret is on its way back to generation 1" in ended.said, ended.said

    def test_the_same_command_goes_on_without_the_source(self, regret: Replication, first: dict[str, bytes]) -> None:
        away = {disk: regret.source(disk).rename(regret.source(disk).with_suffix(".away")) for disk in DISKS}
        ended = back(regret, 1)
        assert ended.status == 0, ended.said
        for disk, path in away.items():
            path.rename(regret.source(disk))
        holds(regret, 3, first)
        manifest = regret.manifest(3)
        assert (manifest["kind"], manifest["base"]) == ("rollback", 1)
        assert regret.effects()["CreateVolume"] == len(DISKS)

    def test_an_incremental_after_it_brings_what_the_source_has(
        self, regret: Replication, first: dict[str, bytes]
    ) -> None:
        ended = regret.replicate()
        assert ended.status == 0, ended.said
        is_up_to_date(regret, 4)
        for disk, record in regret.records(4).items():
            changed = blocks(first[disk], regret.source(disk).read_bytes())
            assert record["bytes_changed"] == len(changed) * BLOCK

    @pytest.mark.usefixtures("no_boot")
    def test_an_incremental_that_does_not_boot(self, regret: Replication) -> None:
        scribble(regret.source("root"), (6 << 20,), b"this never boots")
        ended = regret.replicate()
        assert ended.status == 1 and "fell back to stopped" in ended.said, ended.said
        assert regret.manifest(5)["status"] == "prepared"

    def test_is_gone_back_from(self, regret: Replication, first: dict[str, bytes]) -> None:
        ended = back(regret, 1)
        assert ended.status == 0, ended.said
        holds(regret, 6, first)
        said = regret.run(["history", str(regret.spec)]).said
        assert "6: rollback of 1, finished" in said and "5: incremental of 4, prepared" in said

    def test_an_incremental_that_was_killed_is_given_up_for_good(
        self, regret: Replication, first: dict[str, bytes]
    ) -> None:
        """Its workflow must not come back to life beside the rollback's; its number is not used again."""
        ended = regret.replicate(Fate("snapshot", "note"))
        assert ended.killed, ended.said
        ended = back(regret, 1)
        assert ended.status == 0, ended.said
        holds(regret, 8, first)
        assert not (regret.home / "manifest" / "generation-0007.json").exists()

    def test_nothing_is_left_of_all_this(self, regret: Replication) -> None:
        made = (1, 2, 3, 4, 5, 6, 8)
        named = {record["integrity_snapshot_id"] for n in made for record in regret.records(n).values()}
        assert regret.left()["snapshots"] == named
        assert not list((regret.home / "work").glob("generation-*"))
