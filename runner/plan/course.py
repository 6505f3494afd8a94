"""The course of a replication before it begins: every apply of its sequence, predicted one after the other. Pure.

The steps come from the sequence itself; where each apply leads is what runner/phases/move.py decides at that point.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from runner.plan.actions import planned_action
from runner.plan.costs import NOTHING, cost_of
from runner.plan.world import World
from runner.terraform.guard import Goal, PlanRefused, check_plan
from runner.terraform.plan import Change, Plan
from runner.terraform.prediction import predict
from runner.terraform.project import Variables
from runner.terraform.statefile import Attributes
from runner.workflow.sequence import Step
from schemas.outputs import Phase
from schemas.plan import PlannedApply, PlannedStep

# The steps that a generation whose overlays are committed has behind it: nothing is copied or snapshot any more.
_DATA = {
    "restore",
    "find and restore",
    "snapshot",
    "prepare guest",
    "snapshots completed",
    "manifest prepared",
    "commit",
}


@dataclass(frozen=True)
class Standing:
    """Where a machine is between two steps. `exists`: whether anything was ever applied."""

    phase: Phase
    launched: bool
    exists: bool
    resources: Mapping[str, Attributes]


@dataclass(frozen=True)
class Course:
    """The steps, and why the guard would refuse an apply (sentences)."""

    steps: tuple[PlannedStep, ...]
    refusals: tuple[str, ...]


def standing(world: World) -> Standing:
    """Where the state says that a machine is."""
    outputs = world.state.outputs
    if outputs is None:
        return Standing("detached", False, False, world.state.resources)
    launched = outputs.launched and outputs.instance_id != ""
    return Standing(outputs.phase, launched, True, world.state.resources)


def follow(world: World, sequence: Sequence[Step], *, again: bool) -> Course:
    """Predict every step of a sequence. `again`: the machine was replicated before, and this is no first run."""
    now = standing(world)
    steps: list[PlannedStep] = []
    refusals: list[str] = []
    for step in sequence:
        if not step.name.startswith("apply "):
            done = world.committed and step.name in _DATA
            cost = NOTHING if done else cost_of(step.name, world)
            steps.append(PlannedStep(step.name, "Done already." if done else step.sentence, cost))
            continue
        goal = _goal(step.name, now, world.committed, again)
        if goal is None:
            steps.append(PlannedStep(step.name, "Done already.", NOTHING))
            continue
        first = not any(s.apply for s in steps)
        apply, now, faults = _apply(world, now, *goal, first=first)
        refusals += faults
        steps.append(PlannedStep(step.name, step.sentence, cost_of(step.name, world), apply))
    return Course(tuple(steps), tuple(refusals))


def deploy(world: World) -> Course:
    """What a plain deploy of a machine that stays where it is would change: its spec may have changed."""
    now = standing(world)
    apply, _, faults = _apply(world, now, now.phase, now.launched, first=True)
    sentence = "What `cdktf deploy` would change now, in the phase the machine is in."
    return Course((PlannedStep("deploy", sentence, NOTHING, apply),), tuple(faults))


def _goal(step: str, now: Standing, committed: bool, again: bool) -> tuple[Phase, bool] | None:
    """Where an apply leads: the phase and whether the destination exists then; None where the step does nothing."""
    match step:
        case "apply detached first":
            return None if committed or now.phase != "target" else ("detached", True)
        case "apply staging":
            return None if committed or (now.launched and not again) else ("staging", now.launched)
        case "apply launched":
            return None if now.phase == "target" or (again and now.launched) else ("detached", True)
        case "apply target":
            return "target", True
        case _:
            return None if now.launched and now.phase != "staging" else ("detached", now.launched)


def _apply(
    world: World, now: Standing, phase: Phase, launched: bool, *, first: bool
) -> tuple[PlannedApply, Standing, list[str]]:
    stack = world.stack
    slots, root_device = stack.slots, stack.root_device
    predicted, after = predict(stack, now.resources, Variables(phase, launched, slots, root_device))
    asked = world.planned if first else None
    changes: tuple[Change, ...] = predicted if asked is None else asked.changes
    goal = Goal(now.phase, phase, now.launched, launched, tuple(disk.id for disk in world.spec.source.disks))
    apply = PlannedApply(
        before=now.phase,
        after=phase,
        launched_before=now.launched,
        launched_after=launched,
        basis="predicted" if asked is None else "terraform",
        actions=tuple(planned_action(change, world.spec, stack, now.resources) for change in changes),
    )
    faults = list(_faults(changes, goal))
    return apply, replace(now, phase=phase, launched=launched, exists=True, resources=after), faults


def _faults(changes: tuple[Change, ...], goal: Goal) -> Iterator[str]:
    try:
        check_plan(Plan(changes, errored=False, outputs_change=True), goal)
    except PlanRefused as refused:
        yield refused.sentence
