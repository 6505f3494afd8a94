"""Keeping below a quota of calls a second, on our side: a throttled call costs everybody in the account."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock


class Pace:
    """So many calls a second at most, evenly spaced, over all threads of this process."""

    def __init__(
        self,
        calls_a_second: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._gap = 1.0 / calls_a_second
        self._clock, self._sleep = clock, sleep
        self._lock = Lock()
        self._next = float("-inf")

    def wait(self) -> None:
        """Return when the next call may be made."""
        with self._lock:
            now = self._clock()
            at = max(now, self._next)
            self._next = at + self._gap
        if at > now:
            self._sleep(at - now)
