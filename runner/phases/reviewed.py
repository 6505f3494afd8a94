"""Holding a run to the plan that was reviewed: before each apply, its actions must be the reviewed ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from runner.terraform.guard import Goal, PlanRefused
from runner.terraform.plan import Plan
from runner.terraform.prediction import declared_only
from schemas.plan import PlannedApply, TerraformAction

# An action as it is held: address, Terraform's words, and the declared attributes that an update changes.
Held = tuple[str, tuple[TerraformAction, ...], tuple[str, ...]]


class NotReviewed(PlanRefused):
    """What Terraform plans is not what was reviewed; `faults` holds each difference. Nothing was applied."""

    def __init__(self, step: str, faults: tuple[str, ...]) -> None:
        super().__init__(step, faults)
        self.hint = "Nothing was applied. The world changed since the review: plan again, and have that reviewed."


@dataclass(frozen=True)
class Reviewed:
    """The reviewed applies of one machine. `declared` names the attributes that its stack declares, by address.

    A run that died goes on `resumed`: then what it did already is missing from the plans, and nothing may be new.
    """

    applies: tuple[PlannedApply, ...]
    declared: Mapping[str, frozenset[str]]
    resumed: bool

    def check(self, goal: Goal, plan: Plan) -> None:
        """Raise `NotReviewed` with every difference between what was reviewed for this step and what is planned."""
        reviewed = self._reviewed(goal)
        planned = {held(c.address, c.actions, declared_only(c, self.declared)) for c in plan.changes}
        faults = [f"{_said(one)} was not reviewed" for one in sorted(planned - reviewed)]
        if not self.resumed:
            faults += [f"{_said(one)} was reviewed and is not planned" for one in sorted(reviewed - planned)]
        if faults:
            raise NotReviewed(goal.step, tuple(faults))

    def _reviewed(self, goal: Goal) -> set[Held]:
        """An apply that died may have left the outputs at either end of its way: resumed, the way's end decides."""
        return {
            held(action.address, action.actions, action.attributes)
            for apply in self.applies
            if (apply.after, apply.launched_after) == (goal.after, goal.launched_after)
            if self.resumed or (apply.before, apply.launched_before) == (goal.before, goal.launched_before)
            for action in apply.actions
        }


def held(address: str, actions: tuple[TerraformAction, ...], attributes: tuple[str, ...]) -> Held:
    """An action in the form that is compared: the two orders of a replacement are one."""
    return address, tuple(sorted(actions)), attributes


def _said(one: Held) -> str:
    address, actions, attributes = one
    return f"{' and '.join(actions)} of {address}" + (f" ({', '.join(attributes)})" if attributes else "")
