"""One Chromium for all pages."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.runner.report.chromium import Browser, browser


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    with browser() as one:
        yield one
