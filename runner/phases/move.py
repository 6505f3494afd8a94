"""Moving the volumes: every apply of a machine's stack, planned, guarded, applied.

A volume never goes from one instance to another in one apply. While the destination has no root volume, Terraform
does not refresh (provider 3.39 panics on an instance without block devices), and the world is checked here instead.
"""

from __future__ import annotations

from runner.aws.instances import Instance, InstanceGone, find_instance
from runner.aws.volumes import find_by_ids
from runner.phases.job import Job
from runner.phases.records import Placement, is_committed, placement_file, read_record
from runner.phases.recovery import applying, recover
from runner.phases.statelock import unlock_dead
from runner.terraform.guard import Goal, check_plan
from runner.terraform.plan import Plan
from runner.terraform.project import Project, Variables
from schemas.errors import Refused
from schemas.outputs import Outputs, Phase
from schemas.slots import give_out

_ROOT_DEVICE = "/dev/xvda"


class WrongPhase(Refused):
    """The volumes are not where a command needs them."""

    def __init__(self, command: str, needed: str, found: str) -> None:
        super().__init__(
            f"`hotadd {command}` needs the volumes in {needed}; they are in {found}.",
            f"Run `cdktf deploy` with --var phase={needed} first, or let `hotadd replicate` do everything.",
        )
        self.needed = needed
        self.found = found


class WorldDiffers(Refused):
    """EC2 is not as the state says, at a point where Terraform cannot look itself."""

    def __init__(self, fault: str) -> None:
        super().__init__(f"EC2 is not as the state says: {fault}.", "Put it back, then run the same command again.")
        self.fault = fault


def take_back(job: Job) -> None:
    """Detach the volumes from the destination, unless their new data is already complete."""
    outputs = job.project().outputs()
    if not is_committed(job.generation_directory) and outputs is not None and outputs.phase == "target":
        move(job, "detached", launched=True)


def stage(job: Job) -> None:
    """Create the volumes and attach them to the access node, unless their data is already complete.

    A full replication never stages the volumes of a destination that was launched; an incremental takes them back.
    """
    launched = _launched(job.project())
    if is_committed(job.generation_directory) or (job.run.kind == "full" and launched):
        return
    outputs = job.project().outputs()
    if outputs is not None and outputs.phase == "staging" and outputs.access_node_id != job.project().access_node_id():
        move(job, "detached", launched=launched)  # the access node they were on was given up
    move(job, "staging", launched=launched)


def release(job: Job) -> None:
    """Detach the volumes from the access node."""
    outputs = job.project().outputs()
    launched = _launched(job.project())
    if not launched or (outputs is not None and outputs.phase == "staging"):
        move(job, "detached", launched=launched)


def launch(job: Job) -> None:
    """Add the destination instance: a shell with a root of its own, while the volumes are detached."""
    outputs = job.project().outputs()
    if job.run.kind != "full" and _launched(job.project()):
        return
    if outputs is None or outputs.phase != "target":
        move(job, "detached", launched=True)


def hand_over(job: Job) -> None:
    """Attach the volumes to the destination, root device first, and settle the state."""
    move(job, "target", launched=True)


def require_phase(job: Job, command: str, phase: Phase) -> Outputs:
    """The outputs, if the volumes are in `phase`. Raises `WrongPhase`."""
    outputs = job.project().outputs()
    found = outputs.phase if outputs is not None else "no state"
    if outputs is None or found != phase:
        raise WrongPhase(command, phase, found)
    return outputs


def move(job: Job, phase: Phase, *, launched: bool, also: tuple[str, ...] = ()) -> Outputs:
    """Lead the stack to a phase: recover what a dead run left, plan, guard, apply. Nothing happens if it is there.

    `also` are addresses of what the stack makes beside volumes, attachments and destination.
    """
    project = job.project()
    unlock_dead(job, project)
    variables = _variables(job, project.outputs(), phase, launched)
    recover(job, project, variables)
    before = project.outputs()
    goal = Goal(
        before=before.phase if before is not None else "detached",
        after=phase,
        launched_before=before is not None and before.instance_id != "",
        launched_after=launched,
        disks=tuple(disk.id for disk in job.spec.source.disks),
        also=also,
    )
    rootless = _rootless_destination(job, before)
    if rootless is not None and before is not None:
        # A run that died while it staged them left some attached that the state does not know of.
        staged = "staging" in (before.phase, phase)
        _check_world(job, rootless, before, {before.access_node_id, project.access_node_id()} if staged else set())
    with applying(job, goal.step):
        plan = project.plan(phase, variables, refresh=rootless is None)
        check_plan(plan.plan, goal)
        if job.reviewed is not None:
            job.reviewed.check(goal, plan.plan)
        if plan.failure is not None:
            raise plan.failure
        if not plan.plan.empty:
            project.apply(plan)
        if phase == "target":
            project.settle(variables)
    outputs = project.outputs()
    if outputs is None or outputs.phase != phase:
        raise WorldDiffers(f"after the apply the outputs do not say {phase}")
    return outputs


def placement(job: Job, outputs: Outputs | None) -> Placement:
    """Slots and root device: those in use, else what preflight gave out, else the outputs', else the spec's order.

    While the volumes are detached and nothing is launched, preflight's word is newer than the outputs'. That of an
    incremental is so wherever they are not staged; a destination that was launched keeps its root device.
    """
    given = read_record(placement_file(job.home.work), Placement)
    settled = outputs is not None and (outputs.phase != "detached" or outputs.launched)
    if outputs is not None and (settled or given is None):
        anew = given if job.run.kind != "full" and outputs.phase != "staging" else None
        return Placement(outputs.slots if anew is None else anew.slots, outputs.root_device)
    if given is not None:
        return given
    return Placement(give_out(job.spec.source.os, [d.id for d in job.spec.source.disks]), _ROOT_DEVICE)


def _variables(job: Job, outputs: Outputs | None, phase: Phase, launched: bool) -> Variables:
    place = placement(job, outputs)
    return Variables(phase, launched, place.slots, place.root_device)


def _launched(project: Project) -> bool:
    outputs = project.outputs()
    return outputs is not None and outputs.launched and outputs.instance_id != ""


def _rootless_destination(job: Job, outputs: Outputs | None) -> Instance | None:
    """The destination, if it has no volume at its root device."""
    if outputs is None or not outputs.instance_id:
        return None
    instance = find_instance(job.account, outputs.instance_id)
    if instance is None:
        raise InstanceGone(outputs.instance_id, "the destination")
    return instance if instance.root_device not in instance.devices else None


def _check_world(job: Job, instance: Instance, outputs: Outputs, nodes: set[str]) -> None:
    """What a refresh would have seen: the instance is stopped, the volumes exist and are nobody else's."""
    if instance.state != "stopped":
        raise WorldDiffers(f"{instance.id} has no root volume and is {instance.state}, not stopped")
    volumes = find_by_ids(job.account, list(outputs.volumes.values()))
    for disk, volume_id in outputs.volumes.items():
        volume = volumes.get(volume_id)
        if volume is None:
            raise WorldDiffers(f"the volume {volume_id} of disk {disk} is gone")
        elsewhere = [a.instance_id for a in volume.attachments if a.instance_id not in {instance.id, *nodes}]
        if elsewhere:
            raise WorldDiffers(f"the volume {volume_id} of disk {disk} is attached to {elsewhere[0]}")


def plan_again(job: Job) -> Plan:
    """A refreshing plan of the stack with the variables that its state tells: empty when nothing drifted."""
    project = job.project()
    outputs = project.outputs()
    if outputs is None:
        raise WrongPhase("plan", "an applied phase", "no state")
    variables = Variables(outputs.phase, outputs.launched, outputs.slots, outputs.root_device)
    return project.plan("again", variables, refresh=True).plan
