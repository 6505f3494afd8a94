"""What a stack has beside volumes and instance: made with the volumes, and left alone from then on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runner.terraform.guard import PlanRefused, check_plan, check_removal
from runner.terraform.plan import Action, Plan
from tests.runner.terraform.test_guard import CREATE, DELETE, LAUNCH, REPLACE, TO_STAGING, UPDATE, change

GROUP, RULE = "aws_security_group.drill", "aws_security_group_rule.drill_port_22"
ALSO = (GROUP, RULE)


def test_it_is_made_with_the_volumes() -> None:
    goal = replace(TO_STAGING, also=ALSO)
    check_plan(Plan((change(GROUP, CREATE), change(RULE, CREATE)), False, True), goal)
    with pytest.raises(PlanRefused, match="foreign to this step"):
        check_plan(Plan((change(GROUP, CREATE),), False, True), TO_STAGING)


@pytest.mark.parametrize("actions", [UPDATE, DELETE, REPLACE])
def test_it_is_not_changed_afterwards(actions: tuple[Action, ...]) -> None:
    for goal in (replace(TO_STAGING, also=ALSO), replace(LAUNCH, also=ALSO)):
        with pytest.raises(PlanRefused, match="after it was made"):
            check_plan(Plan((change(RULE, actions),), False, True), goal)
    with pytest.raises(PlanRefused, match="after it was made"):
        check_plan(Plan((change(GROUP, CREATE),), False, True), replace(LAUNCH, also=ALSO))


def test_a_removal_takes_what_is_named_alone() -> None:
    plan = Plan((change(GROUP, DELETE), change(RULE, DELETE)), False, True)
    check_removal(plan, ("root",), ALSO)
    with pytest.raises(PlanRefused, match="foreign to a removal"):
        check_removal(plan, ("root",), (GROUP,))
