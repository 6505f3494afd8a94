"""The home of a replication: its lock tells who holds it, and goes with its holder."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from runner.home import AlreadyRunning, Home


def test_the_lock_is_held_once_and_tells_by_whom(tmp_path: Path) -> None:
    home = Home("web01", tmp_path / "web01")
    assert home.holder() == ""
    with home.locked():
        assert f"process {os.getpid()} " in home.holder()
        with pytest.raises(AlreadyRunning) as refused, home.locked():
            pass
        assert str(os.getpid()) in refused.value.sentence
        assert refused.value.exit_code == 3
    assert home.holder() == ""
    with home.locked():
        pass


def test_a_lock_file_that_a_dead_process_left_is_free(tmp_path: Path) -> None:
    home = Home("web01", tmp_path)
    (tmp_path / "lock").write_text('{"pid": 1, "host": "h", "user": "u", "since": "then"}')
    assert home.holder() == ""
    with home.locked():
        assert str(os.getpid()) in home.holder()


def test_the_home_is_for_its_owner_only(tmp_path: Path) -> None:
    home = Home("web01", tmp_path / "web01")
    with home.locked():
        assert stat.S_IMODE(home.directory.stat().st_mode) == 0o700
        assert stat.S_IMODE((home.directory / "lock").stat().st_mode) == 0o600
