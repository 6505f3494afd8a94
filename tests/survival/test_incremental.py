"""Incrementals on the small applier: what changed and what deviates is written, and nothing else.

Which blocks these are is found here by comparing files, before hotadd is asked.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tests.survival.driver import Fate
from tests.survival.generations import BLOCK, BY_GUEST, MIB, ON_SOURCE, blocks, is_up_to_date, scribble
from tests.survival.ground import DISKS, Lab, Replication

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

pytestmark = [pytest.mark.lab, pytest.mark.process]


@pytest.fixture(scope="module", params=["read", "snapshot"])
def replica(request: pytest.FixtureRequest, replication: Callable[[str], Replication]) -> Replication:
    """A replica of generation 1, by each way to find what deviates."""
    made = replication(f"by-{request.param}")
    made.spec.write_text(made.spec.read_text() + f"integrity: {{find: {request.param}}}\n")
    ended = made.replicate()
    assert ended.status == 0, ended.said
    return made


class TestGenerations:
    def test_the_second_writes_what_changed_and_what_deviates_alone(self, replica: Replication) -> None:
        before = {disk: replica.source(disk).read_bytes() for disk in DISKS}
        deviating = {}
        for disk in DISKS:
            scribble(replica.source(disk), ON_SOURCE, b"changed on the source")
            scribble(replica.volume_file(disk), BY_GUEST, b"written by the guest")
            deviating[disk] = blocks(
                replica.volume_file(disk).read_bytes(), replica.snapshot_file(1, disk).read_bytes()
            )
        ended = replica.replicate()
        assert ended.status == 0, ended.said
        is_up_to_date(replica, 2)
        manifest = replica.manifest(2)
        assert (manifest["kind"], manifest["base"]) == ("incremental", 1)
        due = 0
        for disk, record in replica.records(2).items():
            source = replica.source(disk).read_bytes()
            changed = blocks(before[disk], source)
            assert len(changed) == 4 and len(deviating[disk]) >= 6
            assert record["bytes_changed"] == len(changed) * BLOCK
            named = record["bytes_deviating"] // BLOCK
            # EBS names a superset: the lab one block more after each that differs.
            most = len(deviating[disk]) * (1 if replica.name == "by-read" else 2)
            assert len(deviating[disk]) <= named <= most
            held = [at for at in changed | deviating[disk] if any(source[at * BLOCK : (at + 1) * BLOCK])]
            due += len(held) * BLOCK
        written = replica.driver.written()["find and restore"]
        assert written == due if replica.name == "by-read" else due <= written <= 2 * due

    def test_the_temporary_snapshots_are_gone(self, replica: Replication) -> None:
        named = {replica.records(n)[disk]["integrity_snapshot_id"] for n in (1, 2) for disk in DISKS}
        assert replica.left()["snapshots"] == named

    def test_a_third_without_a_change_puts_back_what_injection_wrote(self, replica: Replication) -> None:
        ended = replica.replicate()
        assert ended.status == 0, ended.said
        is_up_to_date(replica, 3)
        for record in replica.records(3).values():
            assert record["bytes_changed"] == 0
            assert record["bytes_deviating"] >= 3 * BLOCK  # what the tests' conversion injects

    def test_the_first_is_pruned(self, replica: Replication) -> None:
        """The retention is 2."""
        assert replica.manifest(1)["status"] == "pruned"
        kept = {replica.records(n)[disk]["integrity_snapshot_id"] for n in (2, 3) for disk in DISKS}
        assert replica.left()["snapshots"] == kept
        digests = {path.parent.name for path in (replica.home / "manifest").rglob("*.digests")}
        assert digests == {"generation-0002", "generation-0003"}
        assert not list((replica.home / "work").glob("generation-*"))

    def test_the_history_lists_all(self, replica: Replication) -> None:
        said = replica.run(["history", str(replica.spec)]).said
        assert "full" in said and "pruned" in said and "incremental of 2" in said
        for disk in DISKS:
            assert replica.records(3)[disk]["integrity_snapshot_id"] in said

    def test_nothing_else_was_made(self, replica: Replication) -> None:
        outputs = replica.outputs()
        left = replica.left()
        assert left["volumes"] == set(outputs["volumes"].values()) and left["instances"] == {outputs["instance_id"]}
        assert replica.effects()["RunInstances"] == 1 and replica.effects()["CreateVolume"] == len(DISKS)
        assert replica.lab.instances()[outputs["instance_id"]] == "running"

    def test_a_fourth_on_a_bad_day(self, replica: Replication) -> None:
        """EBS direct does not know a new snapshot, and throttles; a snapshot ends in error, and is taken again."""
        for fault in (
            {"action": "ListChangedBlocks", "error_code": "ResourceNotFoundException", "times": 2},
            {"action": "ListChangedBlocks", "error_code": "RequestThrottledException", "times": 2, "after": 2},
            # Of snapshots ahead of the stop, of now, and of the source: one of the last two.
            {"action": "CreateSnapshot", "error_code": "snapshot-error", "after": 0 if "read" in replica.name else 4},
        ):
            replica.lab.control("POST", "faults", fault)
        scribble(replica.source("data"), (12 << 20,), b"on a bad day")
        ended = replica.replicate()
        replica.lab.control("DELETE", "faults")
        assert ended.status == 0, ended.said
        is_up_to_date(replica, 4)
        kept = {replica.records(n)[disk]["integrity_snapshot_id"] for n in (3, 4) for disk in DISKS}
        assert replica.left()["snapshots"] == kept


def test_source_and_volume_that_move_between_two_tries(replication: Callable[[str], Replication]) -> None:
    """Killed while it writes; then the source changes again, and somebody writes to a volume where it did not."""
    made = replication("moving-world")
    assert made.replicate().status == 0
    scribble(made.source("root"), ON_SOURCE, b"first change")
    ended = made.replicate(Fate("find and restore", writes=3))
    assert ended.killed, ended.said
    scribble(made.source("root"), (5 * MIB, 60 * MIB), b"second change")
    scribble(made.volume_file("root"), (7 * MIB, 34 * MIB, 500 * MIB), b"a stranger's")
    ended = made.replicate()
    assert ended.status == 0, ended.said
    is_up_to_date(made, 2)
    assert made.records(2)["root"]["bytes_changed"] == 6 * BLOCK


def test_an_access_node_that_dies_is_replaced(replication: Callable[[str], Replication], ec2: EC2Client) -> None:
    """Terminated while the copy ran. Another one in the spec, and the same command goes on."""
    made = replication("nodeless")
    image = made.lab.info.amis["linux"]
    ran = ec2.run_instances(
        ImageId=image, InstanceType="m5.large", SubnetId=made.lab.info.subnet_id, MinCount=1, MaxCount=1
    )
    node = ran["Instances"][0]["InstanceId"]
    ec2.get_waiter("instance_running").wait(InstanceIds=[node], WaiterConfig={"Delay": 1})
    made.edit(made.lab.info.access_node_id, node)
    ended = made.replicate()
    assert ended.status == 0, ended.said
    scribble(made.source("root"), ON_SOURCE, b"changed")
    assert made.replicate(Fate("find and restore", writes=2)).killed
    ec2.terminate_instances(InstanceIds=[node])
    ec2.get_waiter("instance_terminated").wait(InstanceIds=[node], WaiterConfig={"Delay": 1})
    ended = made.replicate()
    assert ended.status == 3 and f"The access node {node} does not exist" in ended.said, ended.said
    made.edit(node, made.lab.info.access_node_id)
    ended = made.replicate()
    assert ended.status == 0, ended.said
    is_up_to_date(made, 2)


def test_a_disk_that_grew(replication: Callable[[str], Replication], lab: Lab) -> None:
    made = replication("grown")
    assert made.replicate().status == 0
    disk = "data"
    with open(made.source(disk), "r+b") as file:
        file.truncate(1100 * MIB + 5)
        file.seek(1100 * MIB)
        file.write(b"tail!")
    ended = made.replicate()
    assert ended.status == 3 and "Set size_gib to 2 or more" in ended.said, ended.said
    text = made.spec.read_text()
    line = next(line for line in text.splitlines() if f"id: {disk}" in line)
    made.spec.write_text(text.replace(line, line.replace("size_gib: 1", "size_gib: 2")))
    ended = made.replicate()
    assert ended.status == 0, ended.said
    is_up_to_date(made, 2)
    assert made.volume_file(disk).stat().st_size == 2 << 30
    assert made.outputs()["sizes_gib"] == {"root": 1, "data": 2}


@pytest.mark.parametrize("honoured", [True, False], ids=["of the reference", "of another state"])
def test_a_change_list(replication: Callable[[str], Replication], honoured: bool) -> None:
    """A list that builds on the reference is all that is read; any other is ignored, and the run says so."""
    made = replication(f"listed-{'yes' if honoured else 'no'}")
    line = next(line for line in made.spec.read_text().splitlines() if "id: root" in line)
    changes = made.directory / "root.changes.json"
    made.edit(line, line.replace("boot:", f"changes: {changes}, boot:"))
    size = made.source("root").stat().st_size
    told = {"version": 1, "size": size, "id": "first", "base": "", "extents": list[dict[str, int]]()}
    changes.write_text(json.dumps(told))
    assert made.replicate().status == 0
    assert made.records(1)["root"]["source"]["change_id"] == "first"
    scribble(made.source("root"), (2 * MIB,), b"told")
    base = "first" if honoured else "zeroth"
    told |= {"id": "second", "base": base, "extents": [{"offset": 2 * MIB, "length": 512}]}
    changes.write_text(json.dumps(told))
    ended = made.replicate()
    assert ended.status == 0, ended.said
    is_up_to_date(made, 2)
    assert made.records(2)["root"]["source"]["change_id"] == "second"
    assert made.records(2)["root"]["bytes_changed"] == BLOCK
    ignored = [e.message for e in made.events() if "is ignored" in (e.message or "")]
    assert bool(ignored) is not honoured
