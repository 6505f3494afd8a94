"""Waiting for something that AWS does in its own time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from schemas.errors import HotaddError

Found = TypeVar("Found")
_PAUSES = (0.2, 0.5, 1.0, 2.0)  # seconds, then 5: quick answers quickly, long waits without a flood of calls
_LONG_PAUSE = 5.0


class WaitedTooLong(HotaddError):
    """Something did not happen within its time."""

    def __init__(self, what: str, seconds: float, last: str) -> None:
        super().__init__(
            f"Waited {seconds:.0f} s for {what}; it was last seen {last}.",
            "Look at it in EC2; when it is well, run the same command again.",
        )
        self.what = what
        self.seconds = seconds
        self.last = last


class Interrupted(HotaddError):
    """The user asked to stop."""

    def __init__(self, where: str) -> None:
        super().__init__(f"Stopped on request while {where}.", "Run the same command again to go on from here.")


def wait_for(
    look: Callable[[], tuple[Found | None, str]], what: str, *, seconds: float, stop: Callable[[], bool]
) -> Found:
    """Call `look` until it finds something.

    `look` returns (what it found or None, how the thing was last seen). Raises `WaitedTooLong` after `seconds`, and
    `Interrupted` when `stop` says so.
    """
    end = time.monotonic() + seconds
    pauses = iter(_PAUSES)
    while True:
        found, last = look()
        if found is not None:
            return found
        if stop():
            raise Interrupted(f"waiting for {what}")
        if time.monotonic() >= end:
            raise WaitedTooLong(what, seconds, last)
        time.sleep(next(pauses, _LONG_PAUSE))
