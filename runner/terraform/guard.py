"""The plan guard: what a plan may do in each step. Everything it does not name is refused.

Terraform's prevent_destroy errors out only where the configuration still holds the resource; a configuration that
lost it plans a plain destroy. So every plan of ours is read before it is applied.
"""

from __future__ import annotations

from dataclasses import dataclass

from runner.terraform.plan import Change, Plan
from schemas.errors import Refused
from schemas.naming import address
from schemas.outputs import Phase

VOLUME = "aws_ebs_volume"
ATTACHMENT = "aws_volume_attachment"
INSTANCE = "aws_instance"
DESTINATION = "aws_instance.destination"

# What a volume may change in place: growth and settings. EBS does none of these by replacement.
_VOLUME_UPDATES = {"size", "type", "iops", "throughput", "tags", "tags_all"}


class PlanRefused(Refused):
    """A plan would do what its step must not; `faults` holds each reason. Nothing was applied."""

    def __init__(self, step: str, faults: tuple[str, ...]) -> None:
        super().__init__(
            f"The plan for {step} is refused: " + "; ".join(faults) + ".",
            "Nothing was applied. Look at what changed in the spec or in EC2 (`terraform plan` in the work directory).",
        )
        self.step = step
        self.faults = faults


@dataclass(frozen=True)
class Goal:
    """Where a step leads: the phase and whether the destination exists, before and after. `disks` are ids.

    `also` are addresses of what the stack has beside volumes, attachments and destination; made with the volumes.
    """

    before: Phase
    after: Phase
    launched_before: bool
    launched_after: bool
    disks: tuple[str, ...]
    also: tuple[str, ...] = ()

    @property
    def step(self) -> str:
        """The step in words."""
        return f"apply {self.after}" + (" launched" if self.launched_after and not self.launched_before else "")


def check_plan(plan: Plan, goal: Goal) -> None:
    """Raise `PlanRefused` with every change that `goal` does not allow."""
    faults = [fault for change in plan.changes if (fault := _fault(change, goal))]
    if goal.before != goal.after and "detached" not in (goal.before, goal.after):
        faults.append(f"volumes would go from {goal.before} to {goal.after} in one apply; pass through detached")
    if faults:
        raise PlanRefused(goal.step, tuple(faults))


def _fault(change: Change, goal: Goal) -> str:
    """Why a change is not allowed; empty if it is."""
    where = change.address
    if change.importing and change.actions == ("no-op",):
        return f"{where} would be imported"
    if change.type == VOLUME:
        return _volume_fault(change, goal)
    if change.type == INSTANCE and where.split("[")[0] == DESTINATION:
        return _instance_fault(change, goal)
    if change.type == ATTACHMENT:
        return _attachment_fault(change, goal)
    if where in goal.also:
        making = change.actions == ("create",) and goal.after == "staging" and not goal.launched_before
        return "" if making else f"{where} ({' and '.join(change.actions)}) would change after it was made"
    return f"{where} ({' and '.join(change.actions)}) is foreign to this step"


def _volume_fault(change: Change, goal: Goal) -> str:
    where = change.address
    if change.replaces:
        return f"{where} would be replaced (because of {', '.join(change.attributes)})"
    if "delete" in change.actions:
        return f"{where} would be destroyed"
    if change.actions == ("create",):
        if goal.launched_before:
            return f"{where} would be created after the launch"
        return "" if goal.after == "staging" else f"{where} would be made anew, and empty: the old one is gone"
    foreign = set(change.attributes) - _VOLUME_UPDATES
    if foreign:
        return f"{where} would change in {', '.join(sorted(foreign))}"
    return _growth_fault(change, goal) if "size" in change.attributes else ""


def _growth_fault(change: Change, goal: Goal) -> str:
    """Volumes grow on their way to the access node, where a copy fills them: never under a guest. They never shrink."""
    where = change.address
    sizes = next(((d.before, d.after) for d in change.differences if d.attribute == "size"), None)
    if sizes is not None and int(sizes[1]) < int(sizes[0]):
        return f"{where} would shrink from {sizes[0]} to {sizes[1]} GiB"
    staging = goal.after == "staging" or (goal.before, goal.after) == ("target", "detached")
    return "" if staging else f"{where} would grow on the way from {goal.before} to {goal.after}"


def _instance_fault(change: Change, goal: Goal) -> str:
    where = change.address
    if change.replaces:
        return f"{where} would be replaced (because of {', '.join(change.attributes)})"
    if "delete" in change.actions:
        return f"{where} would be destroyed"
    if change.actions == ("create",):
        launching = goal.launched_after and not goal.launched_before and goal.after == "detached"
        return "" if launching else f"{where} would be created outside its launch"
    # The provider stops, modifies and starts the instance for some updates.
    if (goal.before, goal.after) != ("target", "target"):
        return f"{where} would be changed in place ({', '.join(change.attributes)}) outside the target phase"
    return ""


def _attachment_fault(change: Change, goal: Goal) -> str:
    where = change.address
    side = next((s for s in ("staging", "target") if where.startswith(f"{ATTACHMENT}.{s}_")), "")
    known = {f"{ATTACHMENT}.{side}_{address(disk)}" for disk in goal.disks}
    if not side or where.split("[")[0] not in known:
        return f"{where} is foreign to this replication"
    if change.replaces:
        return f"{where} would be replaced (because of {', '.join(change.attributes)})"
    if change.actions == ("create",):
        return "" if goal.after == side else f"{where} would be created, but the step leads to {goal.after}"
    if change.actions == ("delete",):
        leaving = goal.after == "detached" and goal.before in (side, "detached")
        return "" if leaving else f"{where} would be detached, but the step leads from {goal.before} to {goal.after}"
    return f"{where} would be changed in place ({', '.join(change.attributes)})"


def check_removal(plan: Plan, disks: tuple[str, ...], also: tuple[str, ...] = ()) -> None:
    """Raise `PlanRefused` when a plan to remove a replica does anything but delete what is the replica's.

    `also` as in `Goal`.
    """
    places = {address(disk) for disk in disks}
    ours = {DESTINATION, *also, *(f"{VOLUME}.{place}" for place in places)}
    ours |= {f"{ATTACHMENT}.{side}_{place}" for place in places for side in ("staging", "target")}
    faults = tuple(
        f"{change.address} ({' and '.join(change.actions)}) is foreign to a removal"
        for change in plan.changes
        if change.actions != ("delete",) or change.address.split("[")[0] not in ours
    )
    if faults:
        raise PlanRefused("decommission", faults)
