"""Which specs cdktf's app takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from stacks.discovery import NoSpecs, find_specs


def test_named_files_and_globs(tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yaml", "c.json"):
        (tmp_path / name).touch()
    specs = f"{tmp_path}/*.yaml:{tmp_path}/c.json:{tmp_path}/a.yaml"
    assert [file.name for file in find_specs({"HOTADD_SPECS": specs})] == ["a.yaml", "b.yaml", "c.json"]


def test_without_names_the_working_directory_is_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NoSpecs, match="specs/\\*.yaml") as caught:
        find_specs({})
    assert caught.value.exit_code == 64
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "web01.yaml").touch()
    (tmp_path / "hotadd.yaml").touch()
    assert find_specs({}) == [Path("hotadd.yaml"), Path("specs/web01.yaml")]
