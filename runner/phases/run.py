"""What a run is of: full, incremental or rollback, and which generation it makes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from schemas.manifest import RunKind


@dataclass(frozen=True)
class Run:
    """One run, from its first command to the end of its last: kept beside the replication, so that a rerun goes on.

    `reference` is the generation that an incremental compares with, or that a rollback goes back to; 0 of a full run,
    and of a repair whose manifests are all lost. `repair` compares whole volumes, and believes no reference. `began`
    as events have it. `once` is a restore without replication: nothing of it is kept for another run.
    """

    kind: RunKind
    generation: int
    reference: int = 0
    repair: bool = False
    began: str = ""
    once: bool = False

    @property
    def sequence(self) -> str:
        """Which sequence of steps it goes through."""
        return "restore" if self.once else self.kind


def next_generation(latest: int, abandoned: Run | None, *, has_files: bool) -> int:
    """A number that no generation has (`latest` is the newest, 0 for none), nor the files of a run given up."""
    return max(latest, abandoned.generation if abandoned is not None and has_files else 0) + 1


def run_file(work: Path) -> Path:
    """Where the run under way is written down."""
    return work / "run.json"
