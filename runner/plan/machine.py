"""The plan of one machine: what is due, its steps, what a reviewer must see first, and the world it holds for. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from runner.phases.run import next_generation
from runner.plan.actions import planned_action
from runner.plan.costs import NOTHING, cost_of, seen
from runner.plan.course import Course, deploy, follow, standing
from runner.plan.world import World
from runner.terraform.guard import INSTANCE
from runner.terraform.prediction import predict_removal
from runner.workflow.sequence import FULL, INCREMENTAL, Step
from schemas.plan import Fingerprint, Kind, MachinePlan, PlannedAction, PlannedApply, PlannedStep, Warned

Mode = Literal["auto", "full", "incremental"]
_SEQUENCES: dict[Kind, Sequence[Step]] = {"full": FULL, "incremental": INCREMENTAL}
# In-place updates of an instance for which the provider stops and starts it ("aws_instance", instance_type, user_data).
_STOPPING = {"instance_type", "user_data"}


def plan_machine(world: World, mode: Mode = "auto") -> MachinePlan:
    """Plan one machine."""
    kind, generation = _due(world, mode)
    if kind == "decommission":
        course = _removal(world)
    elif kind == "finished":
        course = deploy(world)
    else:
        course = follow(world, _SEQUENCES[kind], again=kind == "incremental")
    return MachinePlan(
        replication=world.spec.name,
        kind=kind,
        generation=generation,
        sentence=_sentence(world, kind, generation),
        warnings=tuple(_warnings(world, kind, course)),
        refusals=course.refusals + tuple(_refusals(world, kind)),
        notes=tuple(_notes(world, kind)),
        fingerprint=fingerprint(world),
        steps=course.steps,
    )


def fingerprint(world: World) -> Fingerprint:
    """The world as a saved plan holds it."""
    outputs = world.state.outputs
    return Fingerprint(
        spec=world.spec_hash,
        stack=world.stack_hash,
        manifest=world.manifest_hash,
        lineage=world.state.lineage,
        serial=world.state.serial,
        phase="" if outputs is None else outputs.phase,
        launched=outputs is not None and outputs.launched,
        instance_id="" if outputs is None else outputs.instance_id,
        volumes={} if outputs is None else dict(outputs.volumes),
    )


def _due(world: World, mode: Mode) -> tuple[Kind, int]:
    """What is due, and the generation it would make (0 for none)."""
    latest, run = world.manifest, world.under_way
    if world.spec.decommission:
        return "decommission", 0
    if run is not None and (mode == "auto" or mode == run.kind):
        return ("full" if run.kind == "full" else "incremental"), run.generation
    if latest is None:
        return "full", 1
    if run is None and latest.status == "finished" and mode != "incremental" and world.source_unchanged:
        return "finished", 0
    return "incremental", next_generation(latest.generation, run, has_files=world.has_files)


def _removal(world: World) -> Course:
    """`hotadd decommission`: a step for each thing that goes."""
    now = standing(world)
    changes = predict_removal(now.resources)
    actions = tuple(planned_action(change, world.spec, world.stack, now.resources) for change in changes)
    apply = PlannedApply(now.phase, now.phase, now.launched, now.launched, "predicted", actions)
    steps = [PlannedStep("stop", "Stop the destination.", cost_of("stop", world))] if now.launched else []
    steps.append(
        PlannedStep("destroy", "Terraform removes all that the stack declares.", cost_of("destroy", world), apply)
    )
    steps.append(PlannedStep("delete snapshots", "Every integrity snapshot and every manifest goes.", NOTHING))
    return Course(tuple(steps), ())


def _sentence(world: World, kind: Kind, generation: int) -> str:
    disks = len(world.spec.source.disks)
    gib = sum(disk.size_gib for disk in world.spec.source.disks)
    size = f"{disks} disk{'' if disks == 1 else 's'} ({gib} GiB)"
    held = "" if world.manifest is None else f"generation {world.manifest.generation} is on {_destination(world)}"
    match kind:
        case "full":
            return f"A full replication of {size} into {world.spec.availability_zone}, generation {generation}."
        case "incremental":
            return f"An incremental replication of {size}, generation {generation}; now {held}."
        case "finished":
            return f"Nothing to do until the source changes: {held}."
        case "decommission":
            return f"The replica is removed for good, with its {size} and all its snapshots."


def _destination(world: World) -> str:
    outputs = world.state.outputs
    return (outputs.instance_id if outputs is not None else "") or "no instance"


def _warnings(world: World, kind: Kind, course: Course) -> Iterator[Warned]:
    outputs = world.state.outputs
    instance = "" if outputs is None else outputs.instance_id
    stops = instance and world.destination not in ("stopped", "gone")
    runs = "runs, and is stopped" if world.destination == "running" else "is stopped if it runs"
    if stops and kind == "incremental":
        start = "; it is started again at the end" if world.spec.start else "; it stays stopped (start: false)"
        yield Warned(
            "stop", instance, f"The destination {instance} {runs}: what it wrote since its launch is lost{start}."
        )
    if stops and kind == "decommission":
        yield Warned("stop", instance, f"The destination {instance} {runs}, and is destroyed.")
    for action in (action for step in course.steps if step.apply for action in step.apply.actions):
        yield from _dangers(action, instance)


def _dangers(action: PlannedAction, instance: str) -> Iterator[Warned]:
    if action.verb == "replace":
        yield Warned("replace", action.address, f"{action.address} is destroyed and made anew ({action.detail}).")
    elif action.verb == "destroy":
        yield Warned("destroy", action.address, f"{action.address} is destroyed ({action.detail}).")
    elif action.type == INSTANCE and action.verb == "update" and _STOPPING & set(action.attributes):
        yield Warned("stop", instance, f"{action.address} is stopped, changed ({action.detail}) and started.")


def _refusals(world: World, kind: Kind) -> Iterator[str]:
    node = world.spec.access_node.declare
    if kind in ("full", "incremental") and not world.committed and not world.stack.access_node_id and node is not None:
        yield f"The access node {node.name} is not deployed: deploy node-{node.name} first."
    if world.under_way is not None and world.under_way.kind == "rollback" and kind == "incremental":
        yield f"A rollback to generation {world.under_way.reference} is under way: it must be finished first."
    restored = world.manifest is not None and world.manifest.status == "pruned"
    once = world.under_way is not None and world.under_way.once
    if kind in ("full", "incremental") and once:
        yield "A `hotadd restore-vm` is under way: it must be finished first, with the same command."
    elif kind == "incremental" and restored and world.under_way is None:
        yield (
            f"{world.spec.name} was restored once, without replication: `hotadd replicate --repair`, without a plan, "
            "takes it into replication."
        )
    if world.manifest is not None and kind == "incremental" and world.state.outputs is None:
        yield "There is a manifest and no state: is this the right backend?"
    if world.destination == "gone":
        yield f"The destination {_destination(world)} is gone: somebody terminated it."
    if world.planned is not None and world.planned.errored:
        yield "Terraform's own plan of the first apply ended with an error."


def _notes(world: World, kind: Kind) -> Iterator[str]:
    if kind in ("full", "incremental") and not seen(world):
        yield "Not every source could be looked into here: bytes and minutes are upper bounds."
    if kind == "finished" or (kind == "incremental" and world.source_unchanged):
        yield "The sources are those that were copied (by size, time and inode)."
    if kind == "incremental" and world.under_way is None and len(world.sources) < len(world.spec.source.disks):
        yield "Whether the sources changed is not known here; an incremental copies what did."
    if kind == "incremental" and world.spec.protect and standing(world).phase == "target":
        yield "The spec says `protect: true`: while the destination runs, `hotadd replicate` needs --stop."
    if world.holder:
        yield f"A run is under way ({world.holder}): this plan is of the state as it is now."
    if world.died or world.state.tainted:
        yield "An apply died: what it left half made is brought into the state first, so that less may be left to do."
