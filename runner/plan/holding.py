"""Holding a run to a saved plan: it must be of this world, and before each apply Terraform must plan the same."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from runner.phases.job import Job
from runner.phases.records import read_record, write_record
from runner.phases.reviewed import Held, Reviewed, held
from runner.phases.run import Run, run_file
from runner.plan.machine import Mode
from runner.plan.making import Subject, hotadd_version, plan_now
from runner.workflow.due import has_ended
from schemas.document import read_document, write_document
from schemas.errors import Refused
from schemas.plan import MachinePlan, PlanDocument

# What must hold for a run's whole length; the rest of the fingerprint is that of its beginning.
_LASTING = ("spec", "stack")


class NotInPlan(Refused):
    """The saved plan says nothing of the machine, or nothing that a replication could do."""

    def __init__(self, file: Path, replication: str, fault: str) -> None:
        super().__init__(f"The plan {file} {fault}.", f"Plan {replication} anew, and have that reviewed.")
        self.file = file
        self.replication = replication
        self.fault = fault


class PlanStale(Refused):
    """The world is not the one that the plan was made in; `differences` names each part."""

    def __init__(self, file: Path, replication: str, differences: tuple[str, ...]) -> None:
        super().__init__(
            f"The plan {file} is not of {replication} as it is now: {'; '.join(differences)}.",
            "Nothing was changed. Plan again, and have that reviewed.",
        )
        self.file = file
        self.replication = replication
        self.differences = differences


@dataclass(frozen=True)
class ReviewedRun:
    """The plan (SHA-256 of it) that the run in this home was begun with."""

    plan: str


def read_plan(file: Path) -> PlanDocument:
    """Read a saved plan. Raises `DocumentDamaged`, `OSError`."""
    return read_document(file.read_bytes(), "plan", PlanDocument, str(file))


def hold(job: Job, file: Path) -> Job:
    """The job, held to the saved plan. Raises `NotInPlan` and `PlanStale`.

    A run that was begun with this plan and died goes on: spec, stack and generation must still be the reviewed ones,
    the state has moved as reviewed. Of one that came to its end and died before that was noted, nothing may be applied.
    """
    document = read_plan(file)
    saved = _of(document, job, file)
    record = job.home.work / "reviewed.json"
    digest = hashlib.sha256(write_document(document, "plan").encode()).hexdigest()
    begun = read_record(record, ReviewedRun) == ReviewedRun(digest)
    run = read_record(run_file(job.home.work), Run)
    if begun and run is not None and run.generation == saved.generation and has_ended(job, run):
        return dataclasses.replace(job, reviewed=Reviewed((), {}, resumed=True))
    mode: Mode = "incremental" if saved.kind == "incremental" else "auto"
    now, world = plan_now(Subject(job.spec_file, job.spec, job.home, job.manifests), mode)
    differences = tuple(_differences(saved, now, document.hotadd, resumed=begun))
    if differences:
        raise PlanStale(file, saved.replication, differences)
    record.parent.mkdir(parents=True, exist_ok=True)
    write_record(record, ReviewedRun(digest))
    return dataclasses.replace(job, reviewed=Reviewed(saved.applies, world.stack.declared, resumed=begun))


def _of(document: PlanDocument, job: Job, file: Path) -> MachinePlan:
    name = job.spec.name
    saved = next((plan for plan in document.machines if plan.replication == name), None)
    if saved is None:
        raise NotInPlan(file, name, f"says nothing of {name}")
    if saved.kind in ("finished", "decommission"):
        raise NotInPlan(file, name, f"holds no replication of {name}: {saved.sentence}")
    if saved.refusals:
        raise NotInPlan(file, name, f"says that {name} would be refused: {saved.refusals[0]}")
    return saved


def _differences(saved: MachinePlan, now: MachinePlan, made_by: str, *, resumed: bool) -> Iterator[str]:
    if made_by != hotadd_version():
        yield f"it was made by hotadd {made_by}, and this is {hotadd_version()}"
    for name in ("kind", "generation"):
        yield from _difference(name, getattr(saved, name), getattr(now, name))
    for field in dataclasses.fields(saved.fingerprint):
        if not resumed or field.name in _LASTING:
            yield from _difference(
                field.name, getattr(saved.fingerprint, field.name), getattr(now.fingerprint, field.name)
            )
    if not resumed and _held(saved) != _held(now):
        yield "other actions would be planned"


def _difference(name: str, reviewed: object, found: object) -> Iterator[str]:
    if reviewed != found:
        short = name in ("spec", "stack", "manifest")
        yield f"another {name}" if short else f"{name} {reviewed or 'none'} was reviewed and is {found or 'none'}"


def _held(plan: MachinePlan) -> list[list[Held]]:
    return [sorted(held(a.address, a.actions, a.attributes) for a in apply.actions) for apply in plan.applies]
