"""A progress event: one JSON line for pipelines, a bar on a terminal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["started", "progress", "finished", "failed", "note"]


@dataclass(frozen=True)
class Event:
    """One progress step. Sizes in bytes, `seconds` is how long the step took; unset fields are left out."""

    time: str
    replication: str
    step: str
    status: Status
    disk: str | None = None
    bytes_done: int | None = None
    bytes_total: int | None = None
    seconds: float | None = None
    message: str | None = None
