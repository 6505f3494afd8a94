"""Predicted plans, a row a rule. Real Terraform is held equal in tests/applier and tests/journey."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runner.terraform.plan import Change
from runner.terraform.prediction import Unpredictable, declared_only, predict, predict_removal, read_stack
from runner.terraform.project import Variables

VOLUME = "aws_ebs_volume.disk_root"
STAGING = "aws_volume_attachment.staging_disk_root[0]"
TARGET = "aws_volume_attachment.target_disk_root[0]"
INSTANCE = "aws_instance.destination[0]"


def stack(**changed: Any) -> dict[str, Any]:
    """A machine's stack as `stacks` writes it, with one disk; `changed` are arguments of the volume."""
    volume = {"availability_zone": "eu-central-1a", "size": 40, "type": "gp3", "encrypted": True, "tags": {"Name": "a"}}
    attach = {"volume_id": "${aws_ebs_volume.disk_root.id}"}
    return {
        "output": {"access_node_id": {"value": "i-0123456789abcdef0"}},
        "variable": {"slots": {"default": {"root": "xvdf"}}, "root_device": {"default": "/dev/xvda"}},
        "resource": {
            "aws_ebs_volume": {"disk_root": {**volume, "lifecycle": {"prevent_destroy": True}, **changed}},
            "aws_volume_attachment": {
                "staging_disk_root": {
                    **attach,
                    "instance_id": "i-0123456789abcdef0",
                    "device_name": '${var.slots["root"]}',
                    "count": '${var.phase == "staging" ? 1 : 0}',
                },
                "target_disk_root": {
                    **attach,
                    "instance_id": '${try(aws_instance.destination[0].id, "")}',
                    "device_name": "${var.root_device}",
                    "count": '${var.phase == "target" ? 1 : 0}',
                },
            },
            "aws_instance": {
                "destination": {
                    "ami": "ami-1",
                    "instance_type": "m6i.large",
                    "metadata_options": {"http_tokens": "required"},
                    "vpc_security_group_ids": ["sg-1", "sg-2"],
                    "root_block_device": {"encrypted": True},
                    "count": "${var.launched ? 1 : 0}",
                    "lifecycle": {"ignore_changes": ["ami", "root_block_device"]},
                }
            },
        },
    }


# The same as the provider writes it into a state: blocks are lists, sets have any order, computed attributes are there.
HELD: dict[str, dict[str, Any]] = {
    VOLUME: {
        "id": "vol-1",
        "availability_zone": "eu-central-1a",
        "size": 40,
        "type": "gp3",
        "encrypted": True,
        "iops": 3000,
        "kms_key_id": "arn:aws:kms:x",
        "tags": {"Name": "a"},
        "tags_all": {"Name": "a"},
    },
    STAGING: {"volume_id": "vol-1", "instance_id": "i-0123456789abcdef0", "device_name": "xvdf"},
    TARGET: {"volume_id": "vol-1", "instance_id": "i-1", "device_name": "/dev/xvda"},
    INSTANCE: {
        "id": "i-1",
        "ami": "ami-older",
        "instance_type": "m6i.large",
        "metadata_options": [{"http_tokens": "required", "http_endpoint": "enabled"}],
        "vpc_security_group_ids": ["sg-2", "sg-1"],
        "root_block_device": [],
    },
}


def planned(
    document: dict[str, Any], held: tuple[str, ...], phase: str, launched: bool, **attributes: Any
) -> list[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    """The changes from a state that holds the addresses in `held`; `attributes` change the volume there."""
    resources = {address: dict(HELD[address]) for address in held}
    if VOLUME in resources:
        resources[VOLUME] |= attributes
    variables = Variables(phase, launched, {"root": "xvdf"}, "/dev/xvda")
    changes, _ = predict(read_stack(json.dumps(document)), resources, variables)
    return [(change.address, change.actions, change.attributes) for change in changes]


MOVES = [
    ((), "staging", False, [(VOLUME, ("create",)), (STAGING, ("create",))]),
    ((VOLUME,), "staging", False, [(STAGING, ("create",))]),
    ((VOLUME, STAGING), "staging", False, []),
    ((VOLUME, STAGING), "detached", False, [(STAGING, ("delete",))]),
    ((VOLUME,), "detached", True, [(INSTANCE, ("create",))]),
    ((VOLUME, INSTANCE), "target", True, [(TARGET, ("create",))]),
    ((VOLUME, INSTANCE, TARGET), "target", True, []),
    ((VOLUME, INSTANCE, TARGET), "detached", True, [(TARGET, ("delete",))]),
]


@pytest.mark.parametrize(("held", "phase", "launched", "expected"), MOVES)
def test_a_phase_moves_what_its_count_says(
    held: tuple[str, ...], phase: str, launched: bool, expected: list[tuple[str, tuple[str, ...]]]
) -> None:
    assert planned(stack(), held, phase, launched) == [(address, actions, ()) for address, actions in expected]


# (the state's attributes, the stack's arguments, what Terraform does to the volume)
VOLUMES: list[tuple[dict[str, Any], dict[str, Any], tuple[tuple[str, ...], tuple[str, ...]] | None]] = [
    ({}, {}, None),
    ({}, {"size": 50}, (("update",), ("size",))),
    ({"tags": {"Name": "mine"}}, {}, (("update",), ("tags",))),
    ({"tags": None}, {"tags": {}}, None),
    ({"tags": {"Name": "a", "extra": "b"}}, {}, (("update",), ("tags",))),
    ({"encrypted": False}, {}, (("delete", "create"), ("encrypted",))),
    ({"availability_zone": "eu-central-1b"}, {"size": 50}, (("delete", "create"), ("availability_zone", "size"))),
    ({"iops": 9000}, {}, None),
    ({"tags": {"Name": "${x}"}}, {"tags": {"Name": "$${x}"}}, None),
]


@pytest.mark.parametrize(("held", "declared", "expected"), VOLUMES)
def test_a_volume_changes_where_it_is_declared_otherwise(
    held: dict[str, Any], declared: dict[str, Any], expected: tuple[tuple[str, ...], tuple[str, ...]] | None
) -> None:
    found = planned(stack(**declared), (VOLUME,), "detached", False, **held)
    assert found == ([] if expected is None else [(VOLUME, *expected)])


def test_what_is_ignored_is_not_changed_and_the_rest_is() -> None:
    document = stack()
    instance = document["resource"]["aws_instance"]["destination"]
    instance |= {"ami": "ami-2", "instance_type": "m6i.xlarge", "metadata_options": {"http_tokens": "optional"}}
    found = planned(document, (VOLUME, INSTANCE), "detached", True)
    assert found == [(INSTANCE, ("update",), ("instance_type", "metadata_options"))]


def test_a_block_that_the_state_lacks_is_changed() -> None:
    text = read_stack(json.dumps(stack()))
    held = {VOLUME: HELD[VOLUME], INSTANCE: {**HELD[INSTANCE], "metadata_options": []}}
    changes, _ = predict(text, held, Variables("detached", True, {"root": "xvdf"}, "/dev/xvda"))
    assert [(c.address, c.attributes) for c in changes] == [(INSTANCE, ("metadata_options",))]


def test_a_slot_that_moved_makes_the_attachment_anew() -> None:
    changes, _ = predict(
        read_stack(json.dumps(stack())),
        {address: HELD[address] for address in (VOLUME, STAGING)},
        Variables("staging", False, {"root": "xvdg"}, "/dev/xvda"),
    )
    assert [(c.address, c.actions, c.attributes) for c in changes] == [
        (STAGING, ("delete", "create"), ("device_name",))
    ]


def test_after_an_apply_nothing_is_left_to_do() -> None:
    text = read_stack(json.dumps(stack()))
    variables = Variables("staging", False, {"root": "xvdf"}, "/dev/xvda")
    first, after = predict(text, {}, variables)
    assert len(first) == 2
    assert predict(text, after, variables)[0] == ()


@pytest.mark.parametrize("count", ['${var.phase != "staging" ? 1 : 0}', "${length(var.slots)}", "2"])
def test_an_unknown_count_is_refused(count: str) -> None:
    document = stack()
    document["resource"]["aws_instance"]["destination"]["count"] = count
    with pytest.raises(Unpredictable, match="aws_instance.destination"):
        planned(document, (), "detached", False)


def test_an_unknown_type_is_refused() -> None:
    document = stack()
    document["resource"]["aws_eip"] = {"address": {}}
    with pytest.raises(Unpredictable, match="aws_eip"):
        read_stack(json.dumps(document))


def test_only_declared_attributes_count() -> None:
    """Terraform names tags_all and what AWS computes along with the tags."""
    declared = read_stack(json.dumps(stack())).declared
    change = Change(VOLUME, "aws_ebs_volume", ("update",), ("arn", "tags", "tags_all"), importing=False)
    assert declared_only(change, declared) == ("tags",)
    gone = Change(VOLUME, "aws_ebs_volume", ("delete",), ("size", "tags"), importing=False)
    assert declared_only(gone, declared) == ()


def test_a_removal_deletes_everything() -> None:
    removed = predict_removal(HELD)
    assert {(change.address, change.actions) for change in removed} == {(address, ("delete",)) for address in HELD}
