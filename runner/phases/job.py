"""What every phase works with: the spec, its home, the account, Terraform, the journal, and whether to stop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from runner.aws.account import Account
from runner.blocks.progress import Progress
from runner.home import Home
from runner.journal import Journal
from runner.manifests import ManifestStore
from runner.phases.reviewed import Reviewed
from runner.phases.run import Run
from runner.terraform.project import Project
from schemas.spec import Spec


@dataclass(frozen=True)
class Job:
    """One replication at work. `stop` becomes true when the user asks to stop; `generation` counts from 1.

    `run` is what is made of which generation; `may_stop` says that a protected destination may be stopped all the same.
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
    run: Run = Run("full", 1)
    may_stop: bool = False
    reviewed: Reviewed | None = None

    def of(self, run: Run) -> Job:
        """The same job, at work on a run."""
        return replace(self, run=run, generation=run.generation)

    def tell_progress(self, step: str, progress: Progress) -> None:
        """One event of how far a disk is."""
        rate = f"{progress.rate_bytes_s / 1e6:.0f} MB/s"
        self.journal.progress(step, progress.disk, progress.bytes_done, progress.bytes_total, rate)

    @property
    def generation_directory(self) -> Path:
        """Where the records of the generation in the making are."""
        return self.home.generation(self.generation)
