"""Access nodes that several specs share."""

from __future__ import annotations

from dataclasses import replace

import pytest

from schemas.spec import Drill, DrillCheck, Spec
from stacks.plan import NodeDeclaredTwice, StackNameTaken, plan_nodes


def test_one_node_with_what_its_specs_need(db01: Spec) -> None:
    other = replace(db01, name="db02", destination=replace(db01.destination, instance_profile="db02"))
    (plan,) = plan_nodes([other, db01])
    assert plan.node.name == "fra-a"
    assert plan.profiles == ("db01", "db02")
    assert plan.scope.volume_keys == (db01.destination.volume.kms_key_id,)
    assert [(one.bucket, one.prefix) for one in plan.scope.prefixes] == [("acme-hotadd", "replicas/prod")]


def test_commands_are_allowed_where_a_drill_runs_them(db01: Spec) -> None:
    (plan,) = plan_nodes([db01])
    assert not plan.scope.commands
    commanding = replace(db01, name="db02", drill=Drill(checks=(DrillCheck(tcp=22), DrillCheck(ssm="uptime"))))
    (plan,) = plan_nodes([db01, commanding])
    assert plan.scope.commands


def test_existing_nodes_are_not_declared(web01: Spec) -> None:
    assert plan_nodes([web01]) == []


def test_declared_differently(db01: Spec) -> None:
    node = db01.access_node.declare
    assert node is not None
    bigger = replace(db01.access_node, declare=replace(node, instance_type="m6i.4xlarge"))
    with pytest.raises(NodeDeclaredTwice, match="db01 and db02 declare the access node fra-a differently"):
        plan_nodes([db01, replace(db01, name="db02", access_node=bigger)])


def test_in_another_zone_it_is_another_node(db01: Spec) -> None:
    with pytest.raises(NodeDeclaredTwice):
        plan_nodes([db01, replace(db01, name="db02", availability_zone="eu-central-1b")])


def test_a_machine_may_not_have_a_nodes_name(db01: Spec, web01: Spec) -> None:
    with pytest.raises(StackNameTaken, match="node-fra-a"):
        plan_nodes([db01, replace(web01, name="node-fra-a")])
