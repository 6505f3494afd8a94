"""What the report tells of one machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from runner.phases.run import Run
from runner.report.blockmap import BlockMap
from schemas.drift import Drift
from schemas.drill import DrillVerdict
from schemas.manifest import Manifest
from schemas.outputs import Phase

Outcome = Literal["finished", "failed", "running"]


@dataclass(frozen=True)
class StepTime:
    """One step of the last run: `seconds` over `tries` tries, how the last one ended and with what message."""

    name: str
    seconds: float
    tries: int
    outcome: Outcome
    message: str


@dataclass(frozen=True)
class DiskMap:
    """One disk of the latest generation. Without a map, `note` says why; with one, what it cannot show, or nothing.

    `compared` is the generation that the map is compared with, 0 if there is none.
    """

    id: str
    size: int
    volume_id: str
    snapshot_id: str
    map: BlockMap | None
    compared: int
    note: str


@dataclass(frozen=True)
class Machine:
    """One replicated machine. `phase` is None without a readable state, `since` is when the last run began.

    `generations` are the newest, the last one last; `older` is how many there are before them.
    `holder` says who works on it now, `under_way` on what run that has not ended. `faults` are documents that could
    not be read, a sentence each.
    """

    name: str
    region: str
    state: str
    holder: str
    under_way: Run | None
    healthy: bool
    phase: Phase | None
    instance_id: str
    access_node_id: str
    generations: tuple[Manifest, ...]
    older: int
    disks: tuple[DiskMap, ...]
    steps: tuple[StepTime, ...]
    since: str
    drift: Drift | None
    drill: DrillVerdict | None
    faults: tuple[str, ...]

    @property
    def latest(self) -> Manifest | None:
        """The newest generation."""
        return self.generations[-1] if self.generations else None
