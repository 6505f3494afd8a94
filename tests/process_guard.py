"""A test that starts a process must say so with a marker; one that does not say so fails.

So that `make test-fast`, which leaves those markers out, stays fast and runs anywhere. Python's audit events tell of
every fork, spawn and exec, whichever function was called. What runs in threads that stood before the test (a lab
that other tests share) is not the test's.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

MARKERS = ("terraform", "guestfs", "boot", "lab", "node", "process", "slow")
_EVENTS = {"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.system", "os.exec", "os.spawn"}


class ProcessStarted(AssertionError):
    """An unmarked test tried to start a process."""


@dataclass
class _Watch:
    """One test under watch: the threads that stood before it, and what it tried to start."""

    before: set[int]
    tried: list[str] = field(default_factory=list)


_watches: list[_Watch | None] = []


def _audit(event: str, args: tuple[object, ...]) -> None:
    if event not in _EVENTS or not _watches or (watch := _watches[-1]) is None:
        return
    here = threading.get_ident()
    if here != threading.main_thread().ident and here in watch.before:
        return
    watch.tried.append(f"{event}{args[:2]!r}"[:200])
    raise ProcessStarted(f"{watch.tried[-1]}: mark the test with one of {', '.join(MARKERS)}")


sys.addaudithook(_audit)


def _watched(item: pytest.Item) -> Iterator[None]:
    marked = any(item.get_closest_marker(name) for name in MARKERS)
    watch = None if marked else _Watch({t.ident for t in threading.enumerate() if t.ident is not None})
    _watches.append(watch)
    try:
        yield
    finally:
        _watches.pop()
    # The code under test may have caught what the audit hook raised.
    if watch is not None and watch.tried:
        raise ProcessStarted(f"{watch.tried[0]}: mark the test with one of {', '.join(MARKERS)}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    yield from _watched(item)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    yield from _watched(item)
