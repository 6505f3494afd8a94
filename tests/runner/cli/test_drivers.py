"""hotadd drivers: what it says and how it ends."""

from pathlib import Path

import pytest

from runner.cli.main import run
from runner.guest.windows.bundle import LOCK
from runner.guest.windows.releases import Wanted
from tests.runner.guest.windows.packages import every_package, write_bundle


def mirror(directory: Path) -> str:
    for wanted, data in every_package().items():
        (directory / wanted.path).parent.mkdir(parents=True, exist_ok=True)
        (directory / wanted.path).write_bytes(data)
    return f"file://{directory}"


def test_a_bundle_for_some_releases_is_fetched_and_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = str(tmp_path / "bundle")
    words = ["--release", "2012 R2", "--release", "windows server 2012"]
    assert run(["drivers", "fetch", bundle, "--mirror", mirror(tmp_path / "mirror"), *words]) == 0
    said = capsys.readouterr().out
    assert "nvme-1.5.1.zip" in said and f"{LOCK} pins 3 files" in said and "pinned now" in said
    assert run(["drivers", "check", bundle, *words]) == 0
    assert "Windows Server 2012 R2: complete; boots with AWSNVMe 1.5.1.33" in capsys.readouterr().out
    assert run(["drivers", "check", bundle, "--release", "11"]) == 2
    assert "Windows 11: lacks nvme latest, ena latest" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["fetch"], 64, "Missing argument"),
        (["fetch", "x", "--release", "XP"], 64, "XP is none of 2008 r2"),
        (["fetch", "x", "--nvme", "latest"], 64, "latest is no version"),
        (["fetch", "x", "--ena", "2.2.4;calc"], 64, "is no version"),
        (["fetch", "x", "--mirror", "http://example.com"], 3, "no safe place"),
        (["check", "/nonexistent"], 3, "hotadd drivers fetch /nonexistent"),
    ],
)
def test_words_that_make_no_sense(
    words: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run(["drivers", *(str(tmp_path / word) if word == "x" else word for word in words)]) == code
    assert said in capsys.readouterr().err


def test_a_file_that_was_changed_violates_integrity(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nvme = Wanted("nvme", "1.3.2")
    write_bundle(tmp_path)
    (tmp_path / nvme.file).write_bytes(b"other")
    assert run(["drivers", "check", str(tmp_path)]) == 4
    assert nvme.file in capsys.readouterr().err
