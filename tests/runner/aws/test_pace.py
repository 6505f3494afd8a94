"""Calls a second, on a clock of the test's own."""

from __future__ import annotations

from runner.aws.pace import Pace


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def read(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_a_burst_is_spread_and_a_pause_is_no_credit() -> None:
    clock = Clock()
    pace = Pace(50, clock.read, clock.sleep)
    times = []
    for _ in range(51):
        pace.wait()
        times.append(clock.now)
    assert round(times[-1] - times[0], 6) == 1.0
    clock.now += 60
    pace.wait()
    before = clock.now
    pace.wait()
    assert round(clock.now - before, 6) == 0.02
