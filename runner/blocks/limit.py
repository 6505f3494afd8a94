"""How fast disks may be copied: one limit shared by all disks of a process."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock

_BURST = 0.25  # seconds of the rate that may go at once, so that the threads do not wait for each other in turn
_LOOK = 0.1  # seconds between two looks whether to stop


class RateLimit:
    """A token bucket in bytes a second. `clock` and `sleep` are those of `time`, in seconds.

    Each `take` claims its place in line and waits until that place is due; a request larger than the bucket only
    makes the next one wait longer, so any size of request keeps the rate.
    """

    def __init__(
        self,
        bytes_per_second: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if bytes_per_second <= 0:
            raise ValueError(f"a rate limit of {bytes_per_second} bytes a second")
        self.bytes_per_second = bytes_per_second
        self._clock, self._sleep = clock, sleep
        self._lock = Lock()
        self._due = clock() - _BURST

    def take(self, length: int, heed_stop: Callable[[], None]) -> None:
        """Wait until `length` more bytes may go; raises what `heed_stop` raises, called while it waits."""
        with self._lock:
            due = max(self._due, self._clock() - _BURST)
            self._due = due + length / self.bytes_per_second
        while (left := due - self._clock()) > 0:
            heed_stop()
            self._sleep(min(left, _LOOK))
