"""A few seconds of each fuzz target, and all that `make fuzz` has ever found."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS

CRASHES = Path(__file__).parent.parent / "runner" / "blocks" / "crashes"


@pytest.mark.thorough
@pytest.mark.parametrize("name", TARGETS)
def test_whatever_is_damaged_ends_in_bytes_or_in_an_error_of_ours(name):
    target = TARGETS[name]

    @settings(max_examples=80, database=None, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def run(data: st.DataObject) -> None:
        target.check(data.draw(target.files()))

    run()


@pytest.mark.parametrize("path", sorted(CRASHES.iterdir()), ids=lambda path: path.name)
def test_what_was_found_once_stays_fixed(path):
    TARGETS[path.suffix.removeprefix(".")].check(path.read_bytes())
