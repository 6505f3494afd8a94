"""Two runs on one replication: the second is refused, and told who holds it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.survival.driver import Fate
from tests.survival.ground import Driver, Replication

pytestmark = [pytest.mark.lab, pytest.mark.process]


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    """A second driver, for a second run at the same time."""
    made = Driver(tmp_path_factory.mktemp("other") / "said.txt")
    yield made
    made.close()


def _is_stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] in "tT"


def test_a_second_run_is_refused(replication: Callable[[str], Replication], other: Driver) -> None:
    made = replication("shared")
    first = made.begin(["replicate", str(made.spec)], Fate("restore", signal="SIGSTOP"))
    end = time.monotonic() + 120
    while not _is_stopped(first):
        assert time.monotonic() < end, "the first run never came to its restore"
        time.sleep(0.05)
    try:
        environment = made.lab.environment(made.machine_home)
        other.begin(["replicate", str(made.spec)], environment, Fate())
        second = other.end()
        other.begin(["status", str(made.spec)], environment, Fate())
        told = other.end()
    finally:
        os.kill(first, signal.SIGCONT)
    assert second.status == 3, second.said
    assert f"shared is being worked on by process {first} of " in second.said and "\nhint: " in second.said
    assert told.status == 0 and f"shared: running: process {first} of " in told.said
    ended = made.driver.end()
    assert ended.status == 0, ended.said
    assert made.effects()["CreateVolume"] == 2 and made.twice() == []
