"""Plans and states, read from the shapes that Terraform documents ("JSON Output Format", format version 1.2)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runner.terraform.plan import parse_plan, resources_of, tainted_of


def resource(address: str, actions: list[str], before: Any, after: Any, **more: Any) -> dict[str, Any]:
    kind = address.split(".")[-2]
    change = {"actions": actions, "before": before, "after": after, **more}
    return {"address": address, "type": kind, "mode": "managed", "change": change}


def plan(*resources: dict[str, Any], outputs: dict[str, Any] | None = None, **more: Any) -> str:
    return json.dumps(
        {"format_version": "1.2", "resource_changes": list(resources), "output_changes": outputs or {}, **more}
    )


def test_an_update_names_the_attributes_that_change() -> None:
    one = resource("aws_ebs_volume.a", ["update"], {"size": 1, "type": "gp3"}, {"size": 2, "type": "gp3"})
    found = parse_plan(plan(one)).changes
    assert [(c.address, c.type, c.actions, c.attributes) for c in found] == [
        ("aws_ebs_volume.a", "aws_ebs_volume", ("update",), ("size",))
    ]


def test_an_attribute_known_after_apply_changes() -> None:
    one = resource(
        "aws_instance.a[0]", ["delete", "create"], {"ami": "x"}, {"ami": "x"}, after_unknown={"id": True, "tags": {}}
    )
    found = parse_plan(plan(one)).changes[0]
    assert found.replaces
    assert found.attributes == ("id",)


def test_no_ops_and_data_sources_are_no_changes() -> None:
    read = {**resource("data.aws_ami.a", ["read"], None, {}), "mode": "data"}
    nothing = parse_plan(plan(resource("aws_instance.a", ["no-op"], {}, {}), read))
    assert nothing.empty and nothing.changes == ()


def test_an_import_is_a_change_even_without_an_action() -> None:
    one = resource("aws_instance.a", ["no-op"], {}, {}, importing={"id": "i-1"})
    assert parse_plan(plan(one)).changes[0].importing


def test_outputs_alone_make_a_plan_not_empty() -> None:
    assert not parse_plan(plan(outputs={"phase": {"actions": ["update"]}})).empty
    assert parse_plan(plan(outputs={"phase": {"actions": ["no-op"]}})).empty


@pytest.mark.parametrize("errored", [True, False])
def test_an_errored_plan_says_so(errored: bool) -> None:
    assert parse_plan(plan(errored=errored)).errored is errored


def test_the_resources_of_a_state() -> None:
    state = {
        "version": 4,
        "resources": [
            {
                "mode": "managed",
                "type": "aws_ebs_volume",
                "name": "disk_a",
                "instances": [{"attributes": {"id": "vol-1"}}],
            },
            {
                "mode": "managed",
                "type": "aws_instance",
                "name": "destination",
                "instances": [{"index_key": 0, "attributes": {"id": "i-1"}}],
            },
            {"mode": "data", "type": "aws_ami", "name": "x", "instances": [{"attributes": {"id": "ami-1"}}]},
        ],
    }
    assert resources_of(json.dumps(state)) == {"aws_ebs_volume.disk_a": "vol-1", "aws_instance.destination[0]": "i-1"}


def test_tainted_resources_are_told() -> None:
    """The shape of a state after an apply that failed behind RunInstances ("status": "tainted")."""
    half = {"index_key": 0, "status": "tainted", "attributes": {"id": "i-1"}}
    whole = {"attributes": {"id": "vol-1"}}
    state = {
        "version": 4,
        "resources": [
            {"mode": "managed", "type": "aws_instance", "name": "destination", "instances": [half]},
            {"mode": "managed", "type": "aws_ebs_volume", "name": "disk_a", "instances": [whole]},
        ],
    }
    assert tainted_of(json.dumps(state)) == {"aws_instance.destination[0]"}
