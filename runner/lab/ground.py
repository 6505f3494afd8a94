"""What every part of the lab's server stands on: the files, the settings, one lock."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from runner.lab.faults import Faults
from runner.lab.layout import Layout
from runner.lab.settings import Settings


@dataclass(frozen=True)
class Ground:
    """moto is not thread-safe: `lock` is held for every EC2 call and every change of state."""

    layout: Layout
    settings: Settings
    faults: Faults
    lock: threading.RLock = field(default_factory=threading.RLock)

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        """Do `action` under the lock, `seconds` from now."""

        def act() -> None:
            with self.lock:
                action()

        timer = threading.Timer(seconds, act)
        timer.daemon = True
        timer.start()

    def aside(self, work: Callable[[], None]) -> None:
        """Do long work in a thread of its own, without the lock."""
        threading.Thread(target=work, daemon=True).start()

    @contextmanager
    def unlocked(self) -> Iterator[None]:
        """Let other calls go on while this one, which holds the lock once, moves bytes."""
        self.lock.release()
        try:
            yield
        finally:
            self.lock.acquire()
