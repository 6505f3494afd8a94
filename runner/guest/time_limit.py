"""A time limit on what runs inside the appliance: libguestfs's calls have none, and a guest's program may never end."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Timer

from runner.guest.refusals import ConversionFailed, GuestProgramEndless


@contextmanager
def time_limit(qemu: int, program: str, seconds: float) -> Iterator[None]:
    """Kill the appliance (its QEMU's process id) when the block takes longer; then raises `GuestProgramEndless`.

    Nothing less stops a program that is root in the appliance. What it left lies in overlays that are dropped.
    """
    expired = Event()

    def end() -> None:
        expired.set()
        os.kill(qemu, signal.SIGKILL)

    timer = Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    except ConversionFailed as error:
        if expired.is_set():
            raise GuestProgramEndless(program, int(seconds)) from error
        raise
    finally:
        timer.cancel()
