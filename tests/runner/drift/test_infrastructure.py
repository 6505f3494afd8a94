"""What counts in a plan, on plans of the real provider (capture_plans.py made them)."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from runner.drift.infrastructure import DECLARED, deviations, snapshot_deviations
from runner.terraform.plan import Change, Difference, Plan, parse_plan
from schemas.drift import Deviation
from schemas.manifest import DiskRecord, Manifest, SourceRecord
from stacks.attributes import EbsVolume, Instance, VolumeAttachment

DATA = Path(__file__).parent / "data"
OUTPUTS: dict[str, Any] = json.loads((DATA / "outputs.json").read_text())
INSTANCE, VOLUME = OUTPUTS["instance_id"], OUTPUTS["volumes"]["data"]
DISK, MACHINE = "aws_ebs_volume.disk_data", "aws_instance.destination[0]"
ATTACHED = "aws_volume_attachment.target_disk_data[0]"

# Plan, and all that it must be read as: subject, kind, attribute, should be, is. Some changes of capture_plans.py stay.
GP2 = (DISK, "changed", "type", '"gp3"', '"gp2"')
AWAY = (ATTACHED, "detached", "", "there", "not there")
CASES = [
    ("nothing", []),
    ("instance-type", [(MACHINE, "changed", "instance_type", '"m5.large"', '"m5.xlarge"')]),
    ("tag", [(DISK, "changed", "tags.team", '"storage"', '"nobody"')]),
    ("volume-type", [GP2]),
    ("iops", [(DISK, "changed", "iops", "4000", "6000"), GP2]),
    ("detached", [GP2, AWAY]),
    ("other-device", [GP2, AWAY]),
]
GONE = [
    (DISK, "missing", VOLUME),
    (MACHINE, "missing", INSTANCE),
    (ATTACHED, "detached", ""),
    ("aws_volume_attachment.target_disk_root[0]", "detached", ""),
]


def told(name: str) -> list[tuple[str, str, str, str, str]]:
    found = deviations(parse_plan((DATA / f"{name}.json").read_text()))
    assert {d.cause for d in found} <= {"world"}
    return [(d.subject, d.kind, d.attribute, d.expected, d.found) for d in found]


@pytest.mark.parametrize(("name", "expected"), CASES)
def test_what_somebody_changed_is_all_that_counts(name: str, expected: list[tuple[str, str, str, str, str]]) -> None:
    assert told(name) == expected


def test_a_group_by_hand_counts_although_the_spec_names_none_and_a_start_does_not() -> None:
    (group,) = [one for one in told("security-group") if one[0] == MACHINE]
    assert group[1:3] == ("changed", "vpc_security_group_ids") and group[3] != group[4]
    assert told("started") == told("security-group")


def test_all_that_is_gone_is_named_with_its_id() -> None:
    found = deviations(parse_plan((DATA / "terminated.json").read_text()))
    assert [(d.subject, d.kind, "" if d.kind == "detached" else d.resource_id) for d in found] == GONE
    assert [(d.subject, d.kind) for d in deviations(parse_plan((DATA / "deleted-volume.json").read_text()))] == [
        (DISK, "missing"),
        (MACHINE, "changed"),
        (ATTACHED, "detached"),
    ]


def test_every_attribute_that_a_stack_sets_counts() -> None:
    """`root_block_device`, `ami` and `user_data` are the shell's, which the root swap replaces; `snapshot_id` is of
    drills' copies."""
    for model in (EbsVolume, Instance, VolumeAttachment):
        names = {field.name for field in dataclasses.fields(model)}
        assert DECLARED[model.TYPE] == names - {"ami", "root_block_device", "snapshot_id", "user_data"}


# What is not worth a real plan each: plans made up.


def change(kind: str, actions: tuple[Any, ...], *differences: tuple[str, Any, Any], id_: str = "x-1") -> Change:
    found = tuple(Difference(name, json.dumps(before), json.dumps(after)) for name, before, after in differences)
    return Change(f"{kind}.a", kind, actions, tuple(d.attribute for d in found), False, found, id_)


def only(changes: list[Change], drift: list[Change]) -> Deviation:
    (found,) = deviations(Plan(tuple(changes), False, False, tuple(drift)))
    return found


def test_what_the_world_did_not_do_was_done_in_the_spec() -> None:
    planned = change("aws_instance", ("update",), ("instance_type", "m5.large", "m5.xlarge"))
    found = only([planned], [])
    assert (found.cause, found.expected, found.found) == ("spec", '"m5.xlarge"', '"m5.large"')


def test_a_disk_that_the_spec_adds_is_not_made_yet_and_one_that_it_drops_is_not_declared() -> None:
    added = only([change("aws_ebs_volume", ("create",))], [])
    assert (added.kind, added.cause) == ("missing", "spec")
    dropped = only([change("aws_ebs_volume", ("delete",))], [])
    assert (dropped.kind, dropped.cause) == ("unwanted", "spec")


def test_what_the_spec_leaves_open_counts_once_somebody_changed_it() -> None:
    found = only([], [change("aws_instance", ("update",), ("vpc_security_group_ids", ["sg-1"], ["sg-2"]))])
    assert (found.expected, found.found, found.cause) == ('["sg-1"]', '["sg-2"]', "world")


def test_what_comes_with_another_volume_type_is_not_told_apart() -> None:
    drift = change("aws_ebs_volume", ("update",), ("type", "gp3", "gp2"), ("iops", 3000, 100), ("throughput", 125, 0))
    planned = change("aws_ebs_volume", ("update",), ("type", "gp2", "gp3"))
    assert only([planned], [drift]).attribute == "type"


def test_unset_is_unset_whatever_it_is_called() -> None:
    planned = change(
        "aws_instance", ("update",), ("key_name", "", None), ("tags", {}, None), ("vpc_security_group_ids", [], None)
    )
    assert deviations(Plan((planned,), False, False)) == ()


def test_what_is_gone_from_the_world_and_from_the_spec_is_told_once() -> None:
    found = only([], [change("aws_volume_attachment", ("delete",))])
    assert (found.kind, found.cause) == ("detached", "world")


def test_a_replacement_tells_what_it_is_for() -> None:
    planned = change(
        "aws_volume_attachment", ("delete", "create"), ("device_name", "/dev/sdz", "xvdf"), ("id", "a", None)
    )
    assert only([planned], []).attribute == "device_name"


def manifest(generation: int, status: Any, *snapshots: str) -> Manifest:
    source = SourceRecord("a.raw", "raw", 1, 0, 0, 0)
    disks = tuple(
        DiskRecord(f"disk{i}", "vol-1", 1, source, snapshot, "a.digests", "0" * 64, "0" * 32, ())
        for i, snapshot in enumerate(snapshots)
    )
    return Manifest(1, "web01", generation, "full", status, "2026-01-01T00:00:00Z", "eu", "i-1", "Debian", disks, ())


def test_integrity_snapshots_of_every_generation_that_is_not_pruned_must_be_there() -> None:
    manifests = [
        manifest(1, "pruned", "snap-1"),
        manifest(2, "finished", "snap-2"),
        manifest(3, "finished", "snap-3", "snap-4"),
    ]
    found = snapshot_deviations(manifests, {"snap-2": "completed", "snap-4": "error"})
    assert [(d.subject, d.resource_id, d.kind) for d in found] == [
        ("integrity snapshot of disk0, generation 3", "snap-3", "missing"),
        ("integrity snapshot of disk1, generation 3", "snap-4", "errored"),
    ]
