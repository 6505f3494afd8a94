"""The README is true: its commands run, and what it names exists."""

import re
import subprocess
from pathlib import Path

import pytest

from runner.cli.main import COMMANDS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")

# Every command line of the README's sh blocks, without its comment.
LINES = [
    re.sub(r"\s+# .*", "", line)
    for block in re.findall(r"^```sh\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
]
# `make test` runs this test; `make demo` is run by test_demo.
ELSEWHERE = {"make test", "make demo"}


def test_the_two_commands_come_first() -> None:
    assert LINES[:2] == ["make demo", "make test"]
    assert README.index("make test") < README.index("## ")


@pytest.mark.process
@pytest.mark.parametrize("line", [line for line in LINES if line not in ELSEWHERE])
def test_a_command_runs(line: str) -> None:
    done = subprocess.run(["/bin/bash", "-c", line], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_what_it_names_exists() -> None:
    for command in re.findall(r"`hotadd ([a-z-]+)", README):
        assert command in COMMANDS
    for target in re.findall(r"`make ([a-z-]+)", README):
        assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE), target
    for path in re.findall(r"\]\(([^)#]+)\)", README):
        assert path.startswith("https://") or (ROOT / path).exists(), path


def test_every_target_is_phony() -> None:
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
    (phony,) = re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)
    assert targets == set(phony.split())


def test_ci_ends_with_pytest_s_summary() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert script[-1] == "make test"
    (recipe,) = re.findall(r"^test: setup\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)
    assert recipe.count("\n") == 1 and "$(PYTEST)" in recipe
