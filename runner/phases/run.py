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


def run_file(work: Path) -> Path:
    """Where the run under way is written down."""
    return work / "run.json"
