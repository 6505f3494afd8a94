"""The command line: exit codes, and what a command must not import."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from runner.cli.main import COMMANDS, run


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ([], 64, ""),
        (["nonsense"], 64, "there is no command nonsense"),
        (["validate"], 64, "Missing argument"),
        (["validate", "--nope"], 64, "No such option"),
        (["validate", "/nonexistent.yaml"], 3, "cannot be read"),
        (["copy", "/nonexistent", "/dev/null"], 3, "does not exist"),
        (["--version"], 0, ""),
        (["--help"], 0, ""),
    ],
)
def test_exit_codes(words: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(words) == code
    captured = capsys.readouterr()
    assert said in captured.err
    assert "Traceback" not in captured.err


@pytest.mark.process
@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["replicate", "spec.yaml", "--plan", "saved.plan", "--repair"], 64, "--plan and --repair exclude each other"),
        (["restore-vm", "/nonexistent.yaml", "--break-lock"], 3, "cannot be read"),
    ],
)
def test_exit_codes_of_runs(words: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(words) == code
    assert said in capsys.readouterr().err


def test_the_overview_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    run(["--help"])
    shown = capsys.readouterr().out
    assert all(f"  {name} " in shown for name in COMMANDS)


@pytest.mark.process
@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_has_help(command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "runner.cli", command, "--help"], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0
    assert f"hotadd {command}" in done.stdout


@pytest.mark.process
def test_copy_needs_no_aws_at_all(tmp_path: Path) -> None:
    """Neither boto3 nor dbos nor cdktf is even imported."""
    (tmp_path / "source.raw").write_bytes(b"abc" * 1000)
    (tmp_path / "device").write_bytes(bytes(4096))
    code = (
        "import sys; from runner.cli.main import run; "
        f"code = run(['copy', {str(tmp_path / 'source.raw')!r}, {str(tmp_path / 'device')!r}]); "
        "print(sorted({'boto3', 'dbos', 'cdktf', 'guestfs'} & set(sys.modules))); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
    assert (tmp_path / "device").read_bytes()[:3000] == b"abc" * 1000
