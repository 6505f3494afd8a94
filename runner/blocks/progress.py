"""How far a disk is, told about once a second."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Stage = Literal["copy", "verify"]
_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Progress:
    """Of one disk, in bytes; `bytes_zero` of `bytes_done` were zeroes. `seconds_left` is None while nobody can tell."""

    disk: str
    bytes_done: int
    bytes_total: int
    bytes_zero: int
    rate_bytes_s: float
    seconds_left: float | None
    stage: Stage = "copy"


class Meter:
    """Turns counts into `Progress` for one stage of one disk."""

    def __init__(self, disk: str, total: int, before: int, tell: Callable[[Progress], None], stage: Stage) -> None:
        self._disk, self._total, self._before, self._tell, self._stage = disk, total, before, tell, stage
        self._began = self._told = time.monotonic()

    def report(self, done: int, zero: int, *, last: bool = False) -> None:
        """Tell if a second has passed since, or if this is the last word. Both counts include what was there before."""
        now = time.monotonic()
        if not last and now - self._told < _SECONDS:
            return
        self._told = now
        elapsed = now - self._began
        rate = (done - self._before) / elapsed if elapsed > 0 else 0.0
        left = (self._total - done) / rate if rate > 0 else None
        if done == self._total:
            left = 0.0
        self._tell(Progress(self._disk, done, self._total, zero, rate, left, self._stage))
