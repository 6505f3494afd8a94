"""Where the sample guest's packages come from: the archive that apt uses, in both of apt's formats."""

from __future__ import annotations

from pathlib import Path

from runner.lab.guest.tree import apt_mirror

STANZAS = """\
Types: deb
URIs: http://archive.example/debian http://second.example/debian
Suites: bookworm bookworm-updates

Types: deb
URIs: http://security.example/debian-security
Suites: bookworm-security
"""
LINES = """\
# deb http://old.example/debian bullseye main
deb http://other.example/debian bookworm-updates main
deb [signed-by=/k.gpg arch=amd64] http://archive.example/debian bookworm main
"""


def test_stanzas(tmp_path: Path) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d" / "debian.sources").write_text(STANZAS)
    assert apt_mirror(tmp_path) == ["http://archive.example/debian"]


def test_lines(tmp_path: Path) -> None:
    (tmp_path / "sources.list").write_text(LINES)
    assert apt_mirror(tmp_path) == ["http://archive.example/debian"]


def test_none_is_said(tmp_path: Path) -> None:
    assert apt_mirror(tmp_path) == []
