"""The rate limit, by a clock of our own."""

from __future__ import annotations

import threading

import pytest

from runner.blocks.errors import Stopped
from runner.blocks.limit import RateLimit
from runner.blocks.memory import MemoryDevice, MemorySource


class Clock:
    """Time that passes when somebody sleeps, and not else."""

    def __init__(self):
        self.now = 1000.0
        self.lock = threading.Lock()

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        with self.lock:
            self.now += seconds


def test_bytes_go_at_the_rate_whatever_the_request():
    clock = Clock()
    limit = RateLimit(1e6, clock, clock.sleep)
    for length in [1, 500_000, 2_000_000, 7, 1_500_000, 999_993]:
        limit.take(length, lambda: None)
    # The last request may go when all before it are paid for, less the quarter of a second that may go at once.
    assert clock.now - 1000 == pytest.approx((5_000_001 - 999_993) / 1e6 - 0.25, abs=0.001)


def test_idle_time_saves_up_no_more_than_the_burst():
    clock = Clock()
    limit = RateLimit(1e6, clock, clock.sleep)
    clock.sleep(3600)
    for _ in range(10):
        limit.take(1_000_000, lambda: None)
    assert clock.now - 4600 == pytest.approx(9 - 0.25, abs=0.001)


def test_a_stop_is_heeded_while_waiting():
    clock = Clock()
    limit = RateLimit(1.0, clock, clock.sleep)
    limit.take(1000, lambda: None)

    def stop():
        raise Stopped("disk0", 0, 1)

    with pytest.raises(Stopped):
        limit.take(1, stop)
    assert clock.now == 1000


def test_two_disks_share_one_limit(bench, tmp_path):
    clock = Clock()
    limit = RateLimit(1 << 20, clock, clock.sleep)
    for name in ("one", "two"):
        bench.copy(
            MemorySource(b"x" * (3 << 20)), MemoryDevice(3 << 20), limit=limit, digests=tmp_path / name, disk=name
        )
    # 6 MiB at 1 MiB/s; what follows the last request is not waited for
    assert 3.5 <= clock.now - 1000 <= 6


def test_no_rate_is_no_limit():
    with pytest.raises(ValueError, match="rate limit"):
        RateLimit(0)
