"""What a look makes in the account, and that it goes again: at the look's end, or at the next one's beginning."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from runner.aws.temporary import remove, sweep
from runner.phases.job import Job
from schemas.errors import HotaddError

STEP = "drift"
"""The name under which a look's events stand."""


@dataclass
class Temporaries:
    """What a look has made: snapshot ids by disk, and all that is to be removed, newest last."""

    maker: str
    snapshots: dict[str, str] = field(default_factory=dict)
    made: list[str] = field(default_factory=list)


@contextmanager
def temporaries(job: Job) -> Iterator[Temporaries]:
    """Sweep what a dead look left, and remove what this one makes."""
    home = hashlib.sha256(str(job.home.directory.resolve()).encode()).hexdigest()[:8]
    made = Temporaries(f"drift {socket.gethostname()} {home}")
    for left in sweep(job.account, job.spec.name, made.maker, job.stop):
        job.journal.tell(STEP, f"{left}, left by a look that died, is removed.")
    try:
        yield made
    except BaseException:
        with suppress(HotaddError):  # the first error is the one to tell; the next look sweeps
            _remove(job, made)
        raise
    _remove(job, made)


def _remove(job: Job, made: Temporaries) -> None:
    while made.made:
        remove(job.account, made.made.pop(), lambda: False)
