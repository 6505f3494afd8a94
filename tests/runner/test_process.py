"""The door to other programs: what it brings back, and that a program's whole group ends with us."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from runner.process import ProgramFailed, ProgramMissing, run

pytestmark = pytest.mark.process


def test_output_input_and_lines() -> None:
    lines: list[str] = []
    done = run(["cat"], timeout=10, stdin=b"one\ntwo\n", on_line=lines.append)
    assert (done.stdout, done.stderr, done.code) == ("one\ntwo\n", "", 0)
    assert lines == ["one", "two"]


def test_a_line_without_an_end_is_not_held_whole() -> None:
    pieces: list[int] = []
    done = run(["head", "-c", "90000000", "/dev/zero"], timeout=60, on_line=lambda line: pieces.append(len(line)))
    assert sum(pieces) == 90_000_000 and max(pieces) <= 1024 * 1024
    assert len(done.stdout) == 64 * 1024 * 1024


def test_failures_have_their_class() -> None:
    with pytest.raises(ProgramFailed, match="exit code 3: bad"):
        run(["sh", "-c", "echo bad >&2; exit 3"], timeout=10)
    assert run(["sh", "-c", "exit 3"], timeout=10, accept=(3,)).code == 3
    with pytest.raises(ProgramMissing, match="no-such-program"):
        run(["no-such-program"], timeout=10)
    with pytest.raises(ProgramFailed, match="took too long"):
        run(["sleep", "60"], timeout=0.2)


def test_a_group_dies_with_the_process_that_leashed_it(tmp_path: Path) -> None:
    """Killed with SIGKILL, which no handler sees; the grandchild must go too."""
    shell = "sleep 600 & echo $! > $0; wait"
    script = f"import sys; from runner.process import run; run(['sh', '-c', {shell!r}, sys.argv[1]], timeout=99)"
    holder = subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "pid")])
    patience = time.monotonic() + 20
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text().strip():
        assert time.monotonic() < patience
        time.sleep(0.05)
    grandchild = int((tmp_path / "pid").read_text())
    os.kill(grandchild, 0)
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    while _alive(grandchild):
        assert time.monotonic() < patience, "the grandchild outlived its runner"
        time.sleep(0.05)


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
