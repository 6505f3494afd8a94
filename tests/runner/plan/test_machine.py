"""What is due, a row a world; what a reviewer sees first; which refusals are foreseen."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from runner.phases.run import Run
from runner.plan.costs import NOTHING
from runner.plan.machine import Mode, plan_machine
from runner.plan.world import World
from runner.terraform.plan import Change, Plan
from runner.terraform.prediction import read_stack
from runner.workflow.sequence import FULL, INCREMENTAL
from schemas.plan import Kind, MachinePlan
from schemas.spec import AccessNode, DeclaredNode, Wheel
from tests.runner.plan.conftest import CHANGED, GIB, INSTANCE, SEEN, SPEC, manifest, stack, state

Worlds = Callable[..., World]
GONE = replace(SPEC, decommission=True)
LIVE: dict[str, Any] = {"state": state("target"), "manifest": manifest()}

DEVICES = manifest(disks=tuple(replace(d, source=replace(d.source, mtime_ns=0)) for d in manifest().disks))
DEVICES_SEEN = {disk: replace(look, record=replace(look.record, mtime_ns=0)) for disk, look in SEEN.items()}

DUE: list[tuple[dict[str, Any], Mode, Kind, int]] = [
    ({}, "auto", "full", 1),
    ({"under_way": Run("full", 1), "state": state("staging", launched=False)}, "auto", "full", 1),
    ({**LIVE, "sources": SEEN}, "auto", "finished", 0),
    ({**LIVE, "sources": SEEN}, "incremental", "incremental", 4),
    ({**LIVE, "sources": CHANGED}, "auto", "incremental", 4),
    # A block device has no time of change (mtime_ns 0), so that the same record says nothing.
    ({"state": state("target"), "manifest": DEVICES, "sources": DEVICES_SEEN}, "auto", "incremental", 4),
    (LIVE, "auto", "incremental", 4),  # nobody here can say whether the sources changed
    ({**LIVE, "sources": SEEN, "under_way": Run("incremental", 4, 3)}, "auto", "incremental", 4),
    # A run that is given up keeps its number only while its files are there.
    ({**LIVE, "under_way": Run("full", 4), "has_files": True}, "incremental", "incremental", 5),
    ({**LIVE, "under_way": Run("full", 4)}, "incremental", "incremental", 4),
    # Data and snapshots are complete, and the run that made them is not this machine's: it is a reference.
    ({"state": state("target"), "manifest": manifest(status="prepared")}, "auto", "incremental", 4),
    ({**LIVE, "spec": GONE}, "auto", "decommission", 0),
]


@pytest.mark.parametrize(("fields", "mode", "kind", "generation"), DUE)
def test_what_is_due(world: Worlds, fields: dict[str, Any], mode: Mode, kind: Kind, generation: int) -> None:
    plan = plan_machine(world(**fields), mode)
    assert (plan.kind, plan.generation) == (kind, generation)
    assert plan.refusals == ()


RESTORED = manifest(generation=1, status="pruned")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"state": state("target"), "manifest": RESTORED}, "was restored once, without replication"),
        ({"under_way": Run("full", 1, once=True), "state": state("staging", launched=False)}, "`hotadd restore-vm` is"),
        # A repair that is under way is what takes it into replication.
        ({"state": state("target"), "manifest": RESTORED, "under_way": Run("incremental", 2, repair=True)}, ""),
    ],
)
def test_what_was_restored_once_is_refused_as_replicate_refuses_it(
    world: Worlds, fields: dict[str, Any], said: str
) -> None:
    refusals = plan_machine(world(**fields)).refusals
    assert len(refusals) == bool(said) and all(said in one for one in refusals)


def verbs(plan: MachinePlan) -> list[tuple[str, list[str]]]:
    return [(step.name, [a.verb for a in step.apply.actions]) for step in plan.steps if step.apply]


def test_the_steps_are_those_of_the_sequences(world: Worlds) -> None:
    assert [step.name for step in plan_machine(world()).steps] == [step.name for step in FULL]
    again = plan_machine(world(**LIVE))
    assert [step.name for step in again.steps] == [step.name for step in INCREMENTAL]


COURSES: list[tuple[dict[str, Any], list[tuple[str, list[str]]]]] = [
    (
        {},
        [
            ("apply staging", ["create", "create", "attach", "attach"]),
            ("apply detached", ["detach", "detach"]),
            ("apply launched", ["launch"]),
            ("apply target", ["attach", "attach"]),
        ],
    ),
    # A run that died behind its commit, staged: nothing is staged again.
    (
        {"under_way": Run("full", 1), "state": state("staging", launched=False), "committed": True},
        [
            ("apply detached", ["detach", "detach"]),
            ("apply launched", ["launch"]),
            ("apply target", ["attach", "attach"]),
        ],
    ),
    # Launched, with the volumes detached: only the last apply is left.
    (
        {"under_way": Run("full", 1), "state": state("detached"), "committed": True},
        [("apply launched", []), ("apply target", ["attach", "attach"])],
    ),
    (
        LIVE,
        [
            ("apply detached first", ["detach", "detach"]),
            ("apply staging", ["attach", "attach"]),
            ("apply detached", ["detach", "detach"]),
            ("apply target", ["attach", "attach"]),
        ],
    ),
    # An incremental that died staged.
    (
        {"manifest": manifest(), "under_way": Run("incremental", 4, 3), "state": state("staging")},
        [("apply staging", []), ("apply detached", ["detach", "detach"]), ("apply target", ["attach", "attach"])],
    ),
    ({**LIVE, "sources": SEEN}, [("deploy", [])]),
    (
        {**LIVE, "spec": GONE},
        [("destroy", ["destroy", "destroy", "destroy", "detach", "detach"])],
    ),
]


@pytest.mark.parametrize(("fields", "expected"), COURSES)
def test_the_applies(world: Worlds, fields: dict[str, Any], expected: list[tuple[str, list[str]]]) -> None:
    assert verbs(plan_machine(world(**fields))) == expected


def test_what_is_committed_costs_nothing_more(world: Worlds) -> None:
    fields = {"under_way": Run("full", 1), "state": state("staging", launched=False), "committed": True}
    plan = plan_machine(world(**fields))
    assert next(step.cost for step in plan.steps if step.name == "restore") == NOTHING
    assert sum(step.cost.snapshots for step in plan.steps) == 0


def test_a_growth_is_part_of_staging(world: Worlds) -> None:
    grown = read_stack(json.dumps(stack(size=50)))
    plan = plan_machine(world(**LIVE, stack=grown, sources=CHANGED))
    (change,) = [a for step in plan.steps if step.apply for a in step.apply.actions if a.verb == "update"]
    assert (change.address, change.attributes, change.detail) == (
        "aws_ebs_volume.disk_root",
        ("size",),
        "size 40 to 50",
    )


WARNINGS: list[tuple[dict[str, Any], list[tuple[str, str]]]] = [
    ({}, []),
    (LIVE, [("stop", INSTANCE)]),
    ({**LIVE, "destination": "stopped"}, []),
    (
        {**LIVE, "spec": GONE},
        [("stop", INSTANCE)]
        + [("destroy", f"aws_ebs_volume.disk_{d}") for d in ("data", "root")]
        + [("destroy", "aws_instance.destination[0]")],
    ),
    (
        {**LIVE, "sources": SEEN, "stack": read_stack(json.dumps(stack(encrypted=False)))},
        [("replace", "aws_ebs_volume.disk_root")],
    ),
]


@pytest.mark.parametrize(("fields", "expected"), WARNINGS)
def test_what_a_reviewer_sees_first(world: Worlds, fields: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    found = [(warned.danger, warned.subject) for warned in plan_machine(world(**fields)).warnings]
    assert sorted(found) == sorted(expected)


def test_an_instance_type_is_changed_by_a_deploy_and_by_no_incremental(world: Worlds) -> None:
    other = stack()
    other["resource"]["aws_instance"]["destination"]["instance_type"] = "m6i.xlarge"
    fields = {**LIVE, "sources": SEEN, "stack": read_stack(json.dumps(other))}
    deploy = plan_machine(world(**fields))
    assert (deploy.kind, deploy.refusals, deploy.changes) == ("finished", (), True)
    (warned,) = deploy.warnings
    assert (warned.danger, "stopped" in warned.sentence) == ("stop", True)
    refused = plan_machine(world(**fields), "incremental")
    assert "would be changed in place (instance_type) outside the target phase" in refused.refusals[0]


NODE = DeclaredNode("fra-a", "m6i.large", "ami-1", "subnet-1", Wheel("s3://b/w.whl", "0" * 64), "vpc-1")


def test_foreseen_refusals(world: Worlds) -> None:
    undeployed = stack()
    undeployed["output"]["access_node_id"]["value"] = ""
    text = read_stack(json.dumps(undeployed))
    spec = replace(SPEC, access_node=AccessNode(declare=NODE))
    assert plan_machine(world(spec=spec, stack=text)).refusals == (
        "The access node fra-a is not deployed: deploy node-fra-a first.",
    )
    assert "gone" in plan_machine(world(**LIVE, destination="gone")).refusals[0]
    assert "no state" in plan_machine(world(manifest=manifest())).refusals[0]
    rollback = plan_machine(world(**LIVE, under_way=Run("rollback", 4, 2)))
    assert "rollback to generation 2 is under way" in rollback.refusals[0]


def test_terraform_s_own_plan_takes_the_place_of_the_first_prediction(world: Worlds) -> None:
    change = Change("aws_ebs_volume.disk_root", "aws_ebs_volume", ("update",), ("arn", "size"), importing=False)
    plan = plan_machine(world(**LIVE, planned=Plan((change,), errored=False, outputs_change=True)))
    first, *others = plan.applies
    assert (first.basis, [a.attributes for a in first.actions]) == ("terraform", [("size",)])
    assert {apply.basis for apply in others} == {"predicted"}


def test_costs_are_those_of_the_sources(world: Worlds) -> None:
    """gp3 at the spec's 250 MiB/s: the larger disk alone bounds the time when two are copied at once."""
    restore = next(s for s in plan_machine(world(sources=SEEN)).steps if s.name == "restore")
    assert (restore.cost.bytes_read, restore.cost.bytes_written, restore.cost.at_most) == (4 * GIB, 4 * GIB, False)
    assert restore.cost.minutes == pytest.approx(2048 / 250 / 60, abs=0.01)
    unseen = next(s for s in plan_machine(world()).steps if s.name == "restore")
    assert (unseen.cost.bytes_read, unseen.cost.at_most) == (240 * GIB, True)


def test_an_earlier_run_tells_how_long_an_apply_takes(world: Worlds) -> None:
    plan = plan_machine(world(earlier={"apply target": 90.0, "restore": 9000.0}))
    costs = {step.name: step.cost for step in plan.steps}
    assert (costs["apply target"].minutes, costs["apply target"].minutes_from) == (1.5, "earlier run")
    assert costs["restore"].minutes_from == "rates"
