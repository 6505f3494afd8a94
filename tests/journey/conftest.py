"""ONE real journey: `hotadd demo` as a newcomer runs it, with real Terraform, guest and boot. Many tests look at it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from runner.lab import account
from runner.lab.record import LabInfo
from tests.lab_log import read_log

# Under emulation on two busy cores: a boot takes a minute or two, a conversion as long.
JOURNEY_SECONDS = 2400


@dataclass(frozen=True)
class Journey:
    """What the demo left: the lab (still up), its output, and the replication's home."""

    info: LabInfo
    output: str

    @property
    def lab(self) -> Path:
        return self.info.directory

    @property
    def home(self) -> Path:
        return self.lab / "state" / "web01"

    @property
    def spec(self) -> Path:
        return self.lab / "web01.yaml"

    @property
    def manifest(self) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads((self.home / "manifest" / "generation-0001.json").read_text())
        return loaded

    def source(self, disk: str) -> Path:
        return self.lab / "guest" / f"{disk}.raw"

    def calls(self) -> list[dict[str, Any]]:
        """The lab's own log of API calls."""
        return read_calls(self.lab)


def read_calls(lab: Path) -> list[dict[str, Any]]:
    return read_log(lab / "log" / "api.jsonl")


def effects(calls: list[dict[str, Any]]) -> Counter[str]:
    """How often each changing EC2 call succeeded."""
    changing = ("Create", "Attach", "Run", "Detach", "Delete", "Start", "Stop", "Terminate", "Modify")
    return Counter(
        call["action"]
        for call in calls
        if call["service"] == "ec2" and call["status"] < 300 and call["action"].startswith(changing)
    )


def hotadd(words: list[str], lab: Path, *, seconds: float = JOURNEY_SECONDS) -> subprocess.CompletedProcess[str]:
    """Run the command line in the lab's environment."""
    env = {**os.environ, **account.environment(lab)}
    return subprocess.run(
        [sys.executable, "-m", "runner.cli", *words], capture_output=True, text=True, env=env, timeout=seconds
    )


@pytest.fixture(scope="session")
def journey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journey]:
    lab = tmp_path_factory.mktemp("journey") / "lab"
    try:
        done = subprocess.run(
            [sys.executable, "-m", "runner.cli", "demo", "--keep", "--dir", str(lab)],
            capture_output=True,
            text=True,
            timeout=JOURNEY_SECONDS,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        yield Journey(account.info(lab), done.stdout)
    finally:
        account.down(lab)
