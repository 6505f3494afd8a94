"""What `hotadd inspect` hands on, and what it refuses before a disk is opened."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.cli import inspect
from runner.cli.main import run
from schemas.errors import Refused


class Looked(Refused):
    """The guest was about to be opened."""

    def __init__(self) -> None:
        super().__init__("It was looked at.", "Nothing is to be done.")


@pytest.fixture
def opened_with(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    keys: list[tuple[str, ...]] = []

    def look(_given: object, _boot: int, _firmware: object, _account: object, luks_keys: tuple[str, ...]) -> None:
        keys.append(luks_keys)
        raise Looked

    monkeypatch.setattr(inspect, "look", look)
    return keys


def test_luks_keys_are_read_from_their_files(tmp_path: Path, opened_with: list[tuple[str, ...]]) -> None:
    words = ["inspect", str(tmp_path / "root.raw")]
    for name in ("one", "two"):
        (tmp_path / name).write_text(f"the {name} key\n")
        (tmp_path / name).chmod(0o600)
        words += ["--luks-key", str(tmp_path / name)]
    assert run(words) == run(words[:2]) == 3
    assert opened_with == [("the one key", "the two key"), ()]


def test_a_key_that_all_may_read_is_refused(
    tmp_path: Path, opened_with: list[tuple[str, ...]], capsys: pytest.CaptureFixture[str]
) -> None:
    key = tmp_path / "key"
    key.write_text("secret\n")
    key.chmod(0o644)
    assert run(["inspect", str(tmp_path / "root.raw"), "--luks-key", str(key)]) == 3
    said = capsys.readouterr().err
    assert "may be read by others than its owner (mode 0644)" in said and "secret" not in said
    assert opened_with == []
