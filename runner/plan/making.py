"""Making plans: one synth for all specs, a look at each machine's world, and Terraform's own plan where asked."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from runner.aws.account import Account
from runner.aws.instances import find_instance
from runner.home import Home
from runner.journal import timestamp
from runner.manifests import ManifestStore
from runner.plan.machine import Mode, plan_machine
from runner.plan.world import World, destination_state, look
from runner.terraform.project import Project, TerraformProject, Variables
from runner.terraform.synthesis import synthesize_all
from schemas.naming import machine_stack
from schemas.plan import VERSION, MachinePlan, PlanDocument
from schemas.spec import Spec

_READERS = 16  # states and manifests in S3 are a few calls a machine


@dataclass(frozen=True)
class Subject:
    """A machine to plan: its spec, the file that the spec was read from, and where its records are."""

    file: Path
    spec: Spec
    home: Home
    manifests: ManifestStore


def hotadd_version() -> str:
    """The version of hotadd that runs."""
    return version("hotadd")


def make_plans(subjects: Sequence[Subject], mode: Mode, *, refresh: bool, tell: Callable[[str], None]) -> PlanDocument:
    """Plan machines. `refresh` asks EC2 and Terraform too; else only files and S3 objects are read.

    Nothing is changed, and no lock is taken. Raises what the synth and the states raise.
    """
    with tempfile.TemporaryDirectory(prefix="hotadd-plan-") as scratch:
        stacks = synthesize_all([subject.file for subject in subjects], Path(scratch))

        def look_at(subject: Subject) -> World:
            stack = stacks / machine_stack(subject.spec.name)
            return look(subject.file, subject.spec, stack, subject.home, subject.manifests)

        with ThreadPoolExecutor(_READERS) as readers:
            worlds = list(readers.map(look_at, subjects))
        if refresh:
            worlds = [_asked(world, stacks / machine_stack(world.spec.name), mode, tell) for world in worlds]
    plans = tuple(plan_machine(world, mode) for world in worlds)
    return PlanDocument(VERSION, hotadd_version(), timestamp(), plans)


def plan_now(subject: Subject, mode: Mode) -> tuple[MachinePlan, World]:
    """The predicted plan of one machine, and the world it is made from."""
    with tempfile.TemporaryDirectory(prefix="hotadd-plan-") as scratch:
        stacks = synthesize_all([subject.file], Path(scratch))
        stack = stacks / machine_stack(subject.spec.name)
        world = look(subject.file, subject.spec, stack, subject.home, subject.manifests)
    return plan_machine(world, mode), world


def _asked(world: World, stack: Path, mode: Mode, tell: Callable[[str], None]) -> World:
    """The world with what EC2 and Terraform say of it."""
    account = Account(world.spec.region)
    seen = dataclasses.replace(world, destination=destination_state(account, world))
    plan = plan_machine(seen, mode)
    if not plan.applies:
        return seen
    first = plan.applies[0]
    project: Project = TerraformProject(stack, tell, lock=False)
    project.init()
    variables = Variables(first.after, first.launched_after, seen.stack.slots, seen.stack.root_device)
    made = project.plan("review", variables, refresh=_has_root(account, seen), destroy=plan.kind == "decommission")
    return dataclasses.replace(seen, planned=made.plan)


def _has_root(account: Account, world: World) -> bool:
    """Whether Terraform may refresh: not while the destination has no root volume (see runner/phases/move.py)."""
    outputs = world.state.outputs
    instance = find_instance(account, outputs.instance_id) if outputs is not None and outputs.instance_id else None
    return instance is None or instance.root_device in instance.devices
