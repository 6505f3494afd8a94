"""Removing a replica with everything that was made for it, after a reviewed plan."""

from __future__ import annotations

import shutil
from dataclasses import dataclass

from runner.aws.instances import find_instance, stop_instance
from runner.aws.snapshots import find_snapshots
from runner.aws.temporary import find_temporary
from runner.aws.temporary import remove as remove_temporary
from runner.aws.volumes import delete, find_tagged
from runner.phases.drill_down import find_traces
from runner.phases.job import Job
from runner.phases.move import placement
from runner.phases.prune import delete_unless_wanted
from runner.phases.recovery import recover
from runner.phases.reservation import release_slots
from runner.phases.statelock import unlock_dead
from runner.terraform.guard import check_removal
from runner.terraform.project import PlanFile, Variables
from schemas.errors import Refused


class NotMarked(Refused):
    """The spec does not say that the replica may be removed."""

    def __init__(self, replication: str) -> None:
        super().__init__(
            f"The spec of {replication} does not say `decommission: true`.",
            "Set it in the spec, alone, and have that change reviewed: it lifts the protection of every volume.",
        )


class DrilledNow(Refused):
    """A drill's copy is up, whose state and working files lie in the home that is to go."""

    def __init__(self, replication: str) -> None:
        super().__init__(
            f"A drill of {replication} is up, or one that died left something.",
            "Remove it first: `hotadd drill --down`.",
        )
        self.replication = replication


@dataclass(frozen=True)
class Removal:
    """What a decommission would remove: Terraform addresses, and snapshot ids."""

    addresses: tuple[str, ...]
    snapshots: tuple[str, ...]
    plan: PlanFile


def plan_removal(job: Job) -> Removal:
    """Plan the removal and guard it; nothing is changed."""
    if not job.spec.decommission:
        raise NotMarked(job.spec.name)
    if find_traces(job.account, job.spec.name).ids:
        raise DrilledNow(job.spec.name)
    project = job.project()
    unlock_dead(job, project)
    # What a dead run made goes into the state first, or it would stay; and a state that does not know what carries our
    # tags is the wrong one: its snapshots would be those of a live replica.
    recover(job, project, _variables(job))
    plan = project.plan("decommission", _variables(job), refresh=True, destroy=True)
    check_removal(plan.plan, tuple(disk.id for disk in job.spec.source.disks))
    snapshots = tuple(s.id for s in find_snapshots(job.account, job.spec.name))
    return Removal(tuple(c.address for c in plan.plan.changes), snapshots, plan)


def remove(job: Job, removal: Removal) -> None:
    """Stop the destination, apply the plan as it was shown, delete the snapshots and the replication's home."""
    project = job.project()
    outputs = project.outputs()
    instance = find_instance(job.account, outputs.instance_id) if outputs and outputs.instance_id else None
    if instance is not None and instance.state != "shutting-down":
        with job.journal.step("stop"):
            stop_instance(job.account, instance.id, job.stop)
    with job.journal.step("destroy"):
        project.apply(removal.plan)
        for volume in find_tagged(job.account, job.spec.name, "shell-root"):
            if volume.state == "available":
                delete(job.account, volume.id)
    with job.journal.step("delete snapshots"):
        for one in find_snapshots(job.account, job.spec.name):
            delete_unless_wanted(job, one, "delete snapshots")
        for left in find_temporary(job.account, job.spec.name):
            remove_temporary(job.account, left.id, job.stop)
    if outputs is not None:
        release_slots(job.spec, outputs.access_node_id)
    job.manifests.clear()
    shutil.rmtree(job.home.directory, ignore_errors=True)


def _variables(job: Job) -> Variables:
    outputs = job.project().outputs()
    place = placement(job, outputs)
    phase = outputs.phase if outputs is not None else "detached"
    return Variables(phase, outputs is not None and outputs.launched, place.slots, place.root_device)
