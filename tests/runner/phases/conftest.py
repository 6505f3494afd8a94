"""A lab without boots for the phases' own tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from runner.lab import account
from runner.lab.record import LabInfo


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabInfo]:
    directory = tmp_path_factory.mktemp("lab")
    yield account.up(directory, boot=False, snapshot_seconds=0.3)
    account.down(directory)


@pytest.fixture
def in_lab(lab: LabInfo, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> LabInfo:
    """The environment that leads to the lab, with a state directory of the test's own."""
    for name, value in account.environment(lab.directory).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HOTADD_HOME", str(tmp_path_factory.mktemp("home")))
    return lab
