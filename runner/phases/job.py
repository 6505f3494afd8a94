"""What every phase works with: the spec, its home, the account, Terraform, the journal, and whether to stop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from runner.aws.account import Account
from runner.home import Home
from runner.journal import Journal
from runner.manifests import ManifestStore
from runner.phases.reviewed import Reviewed
from runner.terraform.project import Project
from schemas.spec import Spec


@dataclass(frozen=True)
class Job:
    """One replication at work. `stop` becomes true when the user asks to stop; `generation` counts from 1.

    `project` gives the Terraform project of the machine's stack, synthesized and initialised once a process.
    `reviewed` is the plan that the run is held to, if there is one.
    """

    spec: Spec
    spec_file: Path
    home: Home
    generation: int
    account: Account
    journal: Journal
    manifests: ManifestStore
    project: Callable[[], Project]
    stop: Callable[[], bool]
    start_seconds: float
    reviewed: Reviewed | None = None

    @property
    def generation_directory(self) -> Path:
        """Where the records of the generation in the making are."""
        return self.home.generation(self.generation)
