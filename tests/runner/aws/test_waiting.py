"""Bounded waits."""

from __future__ import annotations

import pytest

from runner.aws.waiting import Interrupted, WaitedTooLong, wait_for


def test_it_returns_what_was_found() -> None:
    answers = iter([(None, "pending"), ("here", "done")])
    assert wait_for(lambda: next(answers), "it", seconds=5, stop=lambda: False) == "here"


def test_it_ends_with_how_the_thing_was_last_seen() -> None:
    with pytest.raises(WaitedTooLong, match="last seen pending 42%"):
        wait_for(lambda: (None, "pending 42%"), "it", seconds=0, stop=lambda: False)


def test_it_heeds_a_stop() -> None:
    with pytest.raises(Interrupted, match="waiting for it"):
        wait_for(lambda: (None, "pending"), "it", seconds=60, stop=lambda: True)
