"""Taking a drill's copy down: by its stack, then by its tags, until nothing of it is listed; whatever died before."""

from __future__ import annotations

import dataclasses
import shutil
from dataclasses import dataclass

from runner.aws.account import Account
from runner.aws.ending import end_instances
from runner.aws.instances import find_destinations
from runner.aws.network import delete_group, find_groups
from runner.aws.volumes import delete, detach, find_tagged
from runner.phases.drill_ground import Ground, read_request
from runner.phases.job import Job
from runner.phases.reservation import release_slots
from runner.phases.statelock import unlock_dead
from runner.terraform.guard import check_removal
from runner.terraform.project import TerraformFailed, Variables
from runner.terraform.synthesis import SynthesisRefused
from schemas.document import DocumentDamaged
from schemas.drill import GROUP, DrillRequest, drill_name
from schemas.errors import HotaddError
from schemas.slots import give_out

_FIREWALL = (f"aws_security_group.{GROUP}", f"aws_security_group_rule.{GROUP}_")


class TracesLeft(HotaddError):
    """Something of a drill is still listed after all was removed."""

    def __init__(self, ids: tuple[str, ...]) -> None:
        super().__init__(f"These of the drill are still there: {', '.join(ids)}.", "Run `hotadd drill --down` again.")
        self.ids = ids


@dataclass(frozen=True)
class Traces:
    """What carries a copy's tags, by id."""

    instances: tuple[str, ...]
    volumes: tuple[str, ...]
    groups: tuple[str, ...]

    @property
    def ids(self) -> tuple[str, ...]:
        """All of them."""
        return self.instances + self.volumes + self.groups


def find_traces(account: Account, replication: str) -> Traces:
    """What EC2 has of a replication's drill."""
    name = drill_name(replication)
    volumes = [v.id for role in ("volume", "shell-root") for v in find_tagged(account, name, role)]
    instances = [instance.id for instance in find_destinations(account, name)]
    return Traces(tuple(instances), tuple(volumes), tuple(find_groups(account, name)))


def is_up(ground: Ground) -> bool:
    """Whether a copy, or anything that a dead drill left, is there."""
    return ground.request_file.exists() or bool(find_traces(ground.account, ground.spec.name).ids)


def take_down(ground: Ground) -> None:
    """Remove every trace of a copy: instance, volumes, security group, state, slots, working files.

    Terraform removes what its state knows; what a dead run made behind its back goes by its tags. An instance is ended
    first: EC2 takes no root volume from one that runs, and provider 3.39 cannot read one without any.
    """
    name, account = drill_name(ground.spec.name), ground.account
    journal = ground.journal
    with journal.step("drill down"):
        request = _request(ground)
        for instance_id in end_instances(account, name, _never):
            journal.tell("drill down", f"{instance_id} is terminated.")
        if request is not None:
            try:
                _destroy(ground.copy(request))
            except (TerraformFailed, SynthesisRefused) as error:
                # What it could not remove goes by its tags, and the state, unreadable or stale, goes with it.
                journal.tell("drill down", f"{error.sentence} Going on by tags.")
        _sweep(ground, name)
        release_slots(dataclasses.replace(ground.spec, name=name), _node_id(ground, request))
        ground.own_manifests.clear()  # in a bucket: the state, and the lock a dead run left on it
        shutil.rmtree(ground.own.directory, ignore_errors=True)


def _request(ground: Ground) -> DrillRequest | None:
    try:
        return read_request(ground)
    except DocumentDamaged as error:
        ground.journal.tell("drill down", f"{error.sentence} Going on by tags.")
        return None


def _node_id(ground: Ground, request: DrillRequest | None) -> str:
    """The access node that the copy's slots are on: as the request says, or as the machine's own stack does."""
    if request is not None:
        return request.access_node_id
    try:
        return ground.node_id()
    except (TerraformFailed, SynthesisRefused) as error:
        ground.journal.tell("drill down", f"{error.sentence} The slots of the copy stay reserved.")
        return ground.spec.access_node.instance_id or ""


def _destroy(job: Job) -> None:
    project = job.project()
    unlock_dead(job, project)
    known = project.resources()
    if not known:
        return
    disks = tuple(disk.id for disk in job.spec.source.disks)
    variables = Variables("detached", False, give_out(job.spec.source.os, disks), "/dev/xvda")
    plan = project.plan("drill-down", variables, refresh=True, destroy=True)
    check_removal(plan.plan, disks, tuple(place for place in known if place.startswith(_FIREWALL)))
    if plan.failure is not None:
        raise plan.failure
    project.apply(plan)


def _sweep(ground: Ground, name: str) -> None:
    account = ground.account
    for role in ("volume", "shell-root"):
        for volume in find_tagged(account, name, role):
            for attachment in volume.attachments:
                detach(account, volume, attachment.instance_id, _never)
            delete(account, volume.id)
            ground.journal.tell("drill down", f"{volume.id}, which no state knew, is deleted.")
    for group in find_groups(account, name):
        delete_group(account, group, _never)
        ground.journal.tell("drill down", f"{group}, which no state knew, is deleted.")
    left = find_traces(account, ground.spec.name).ids
    if left:
        raise TracesLeft(left)


def _never() -> bool:
    """Ctrl-C asks a drill to stop, which means to take it down; the second one ends this, too."""
    return False
