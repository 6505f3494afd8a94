"""A plan of Terraform's against the reviewed one, a row a difference."""

from __future__ import annotations

import pytest

from runner.phases.reviewed import NotReviewed, Reviewed
from runner.terraform.guard import Goal
from runner.terraform.plan import Action, Change, Plan
from schemas.errors import REFUSED
from schemas.plan import PlannedAction, PlannedApply, TerraformAction

ROOT, DATA = "aws_ebs_volume.disk_root", "aws_ebs_volume.disk_data"
TO_STAGING = Goal("detached", "staging", False, False, ("root", "data"))
DECLARED = {ROOT: frozenset({"size", "tags"}), DATA: frozenset({"size", "tags"})}


def reviewed(*actions: tuple[str, tuple[TerraformAction, ...], tuple[str, ...]], resumed: bool = False) -> Reviewed:
    planned = tuple(PlannedAction(a, "aws_ebs_volume", "update", words, names, "") for a, words, names in actions)
    return Reviewed((PlannedApply("detached", "staging", False, False, "predicted", planned),), DECLARED, resumed)


def plan(*changes: tuple[str, tuple[Action, ...], tuple[str, ...]]) -> Plan:
    found = tuple(Change(a, "aws_ebs_volume", words, names, importing=False) for a, words, names in changes)
    return Plan(found, errored=False, outputs_change=True)


CREATE: tuple[str, tuple[Action, ...], tuple[str, ...]] = (ROOT, ("create",), ())
GROW: tuple[str, tuple[Action, ...], tuple[str, ...]] = (ROOT, ("update",), ("size",))
OTHER: tuple[str, tuple[Action, ...], tuple[str, ...]] = (DATA, ("create",), ())


@pytest.mark.parametrize("same", [(), (CREATE,), (CREATE, OTHER), (OTHER, CREATE), (GROW,)])
def test_the_same_passes_in_any_order(same: tuple[tuple[str, tuple[Action, ...], tuple[str, ...]], ...]) -> None:
    reviewed(*same).check(TO_STAGING, plan(*reversed(same)))


def test_what_aws_computes_is_no_difference() -> None:
    reviewed(GROW).check(TO_STAGING, plan((ROOT, ("update",), ("arn", "size", "tags_all"))))


DIFFERENCES = [
    ((CREATE,), (CREATE, OTHER), f"create of {DATA} was not reviewed"),
    ((CREATE, OTHER), (CREATE,), f"create of {DATA} was reviewed and is not planned"),
    ((GROW,), ((ROOT, ("update",), ("size", "tags")),), f"update of {ROOT} (size, tags) was not reviewed"),
    ((GROW,), ((ROOT, ("delete", "create"), ("size",)),), f"create and delete of {ROOT} (size) was not reviewed"),
    ((), (CREATE,), f"create of {ROOT} was not reviewed"),
]


@pytest.mark.parametrize(("before", "after", "sentence"), DIFFERENCES)
def test_a_difference_is_refused_by_name(before: tuple, after: tuple, sentence: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(NotReviewed) as refused:
        reviewed(*before).check(TO_STAGING, plan(*after))
    assert sentence in refused.value.faults
    assert refused.value.exit_code == REFUSED


def test_an_apply_of_another_way_was_not_reviewed() -> None:
    for goal in (
        Goal("detached", "target", True, True, ("root",)),
        Goal("staging", "staging", False, False, ("root",)),
        Goal("detached", "staging", True, True, ("root",)),
    ):
        with pytest.raises(NotReviewed):
            reviewed(CREATE).check(goal, plan(CREATE))
        reviewed(CREATE).check(goal, plan())


def test_resumed_less_may_be_left_and_nothing_may_be_new() -> None:
    held = reviewed(CREATE, OTHER, resumed=True)
    held.check(TO_STAGING, plan(OTHER))
    held.check(Goal("staging", "staging", False, False, ("root",)), plan(OTHER))
    with pytest.raises(NotReviewed):
        held.check(TO_STAGING, plan(OTHER, GROW))
