"""A plan for review: what each phase will do to each machine, before the first apply. JSON Schema: plan.schema.json.

Sizes in bytes, times in minutes. What stands here can be held: `hotadd replicate --plan FILE` does only this.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from schemas.outputs import Phase

VERSION: Literal[1] = 1
Kind = Literal["full", "incremental", "finished", "decommission"]
# Where a statement comes from: `terraform` planned it, `predicted` from the synthesized stack and the state.
Basis = Literal["terraform", "predicted"]
Verb = Literal["create", "launch", "attach", "detach", "update", "replace", "destroy"]
Danger = Literal["destroy", "replace", "stop"]
TerraformAction = Literal["no-op", "create", "read", "update", "delete"]


@dataclass(frozen=True)
class PlannedAction:
    """What Terraform does to one resource. `actions` are Terraform's own words; `attributes` are those that an update
    or replacement changes, of the ones the stack declares (sorted). `detail` is for people and is not held."""

    address: str
    type: str
    verb: Verb
    actions: tuple[TerraformAction, ...]
    attributes: tuple[str, ...]
    detail: str


@dataclass(frozen=True)
class PlannedApply:
    """An apply: where it leads from and to, and all that it changes (sorted by address)."""

    before: Phase
    after: Phase
    launched_before: bool
    launched_after: bool
    basis: Basis
    actions: tuple[PlannedAction, ...]


@dataclass(frozen=True)
class Cost:
    """A rough cost.

    `bytes_read` from the source, `bytes_written` to volumes; `at_most` says that both are upper bounds.
    `minutes_from` says what the time was reckoned from.
    """

    bytes_read: int
    bytes_written: int
    at_most: bool
    snapshots: int
    minutes: float
    minutes_from: Literal["rates", "earlier run"]


@dataclass(frozen=True)
class PlannedStep:
    """One step of the sequence. `apply` is set for those that drive Terraform."""

    name: str
    sentence: str
    cost: Cost
    apply: PlannedApply | None = None


@dataclass(frozen=True)
class Warned:
    """Something a reviewer must see first. `subject` is an address or an instance id."""

    danger: Danger
    subject: str
    sentence: str


@dataclass(frozen=True)
class Fingerprint:
    """The world a plan was made in: hash of the spec's document, of the synthesized stack (without the variables'
    defaults, which follow the state, and without the backend's place), and of the newest manifest (empty if none); the
    state's lineage and serial ("" and 0 where there is none) and what its outputs say."""

    spec: str
    stack: str
    manifest: str
    lineage: str
    serial: int
    phase: Literal["", "detached", "staging", "target"]
    launched: bool
    instance_id: str
    volumes: dict[str, str]


@dataclass(frozen=True)
class MachinePlan:
    """The plan of one machine. `refusals` are sentences: with any, `hotadd replicate` would refuse as things are."""

    replication: str
    kind: Kind
    generation: int
    sentence: str
    warnings: tuple[Warned, ...]
    refusals: tuple[str, ...]
    notes: tuple[str, ...]
    fingerprint: Fingerprint
    steps: tuple[PlannedStep, ...]

    @property
    def applies(self) -> tuple[PlannedApply, ...]:
        """Every apply, in order."""
        return tuple(step.apply for step in self.steps if step.apply is not None)

    @property
    def changes(self) -> bool:
        """Whether anything would be done at all."""
        return self.kind != "finished" or any(apply.actions for apply in self.applies)


@dataclass(frozen=True)
class PlanDocument:
    """Plans of machines, made at one time by one version of hotadd."""

    version: Literal[1]
    hotadd: str
    created: str
    machines: tuple[MachinePlan, ...]
