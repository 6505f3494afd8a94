"""`make setup`: quick when all is there, and plain about what it needs root for."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOBODY = 65534

pytestmark = pytest.mark.process


@pytest.fixture
def checkout() -> Iterator[Path]:
    """A checkout that wants a package nobody has; other users can read it, unlike pytest's own folders."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        place.chmod(0o755)
        (place / ".ci").mkdir()
        shutil.copy(ROOT / ".ci" / "setup", place / ".ci" / "setup")
        (place / "debian-packages.txt").write_text("# packages\nbash  # is there\nhotadd-lacks-this  # is not\n")
        yield place


def test_a_second_setup_takes_under_ten_seconds() -> None:
    for _ in range(2):
        started = time.monotonic()
        done = subprocess.run(["make", "setup"], cwd=ROOT, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stderr
    assert time.monotonic() - started < 10


def test_without_root_it_says_what_root_must_install(checkout: Path) -> None:
    user = NOBODY if os.geteuid() == 0 else os.geteuid()
    done = subprocess.run([checkout / ".ci" / "setup"], capture_output=True, text=True, user=user, timeout=60)
    assert done.returncode == 1
    assert done.stderr == (
        "make setup needs root for: apt-get install --no-install-recommends hotadd-lacks-this (run it as root once)\n"
    )
    assert sorted(path.name for path in checkout.iterdir()) == [".ci", "debian-packages.txt"]
