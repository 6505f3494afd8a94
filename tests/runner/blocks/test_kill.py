"""kill -9 at random moments, then the same command."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from runner.blocks.memory import MemorySource

BLOCK = 512 * 1024
INTERVAL = 16 * BLOCK
COPYING = Path(__file__).with_name("copying.py")


def written(log: Path) -> list[tuple[int, int]]:
    lines = log.read_text().splitlines() if log.exists() else []
    return [(int(offset), int(length)) for offset, length in (line.split() for line in lines)]


def kill_and_go_on(bench, tmp_path, seed):
    chance = random.Random(seed)
    pattern = MemorySource.from_picture(
        "".join(chance.choices("DDD0-", k=200)), BLOCK, seed, trim=chance.randrange(600)
    )
    source, target, log = tmp_path / "source", tmp_path / "target", tmp_path / "log"
    source.write_bytes(pattern.content)
    with open(target, "wb") as file:
        file.truncate(pattern.size + 4096)
    command = [sys.executable, COPYING, source, target, tmp_path, str(INTERVAL), log]
    kills = 0
    while True:
        before = len(written(log))
        child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        # Killed after some of its own writes, so that the moment lies in the copy and not in the imports.
        limit = before + chance.randrange(1, 50)
        while child.poll() is None and (kills >= 4 or len(written(log)) < limit):
            time.sleep(0.001)
        if child.poll() is None:
            child.kill()
            kills += 1
        out = child.communicate()[0]
        if child.returncode == 0:
            break
        assert child.returncode == -9
    assert target.read_bytes() == bytes(pattern.content) + bytes(4096)
    bench.check_digests(bytes(pattern.content))
    data = sum(
        len(pattern.content[at : at + BLOCK])
        for at in range(0, pattern.size, BLOCK)
        if any(pattern.content[at : at + BLOCK])
    )
    again = sum(length for _, length in written(log)) - data
    assert again <= kills * (INTERVAL + 4 * 4 * BLOCK), f"{again} bytes written twice in {kills} kills"
    return kills, out


@pytest.mark.process
def test_a_killed_copy_goes_on_where_it_was(bench, tmp_path):
    kills, out = kill_and_go_on(bench, tmp_path, seed=11)
    assert kills > 0
    assert int(out.split()[0]) > 0


@pytest.mark.process
@pytest.mark.slow
@pytest.mark.parametrize("seed", range(40))
def test_killed_at_random_moments_the_target_is_the_source(bench, tmp_path, seed):
    kill_and_go_on(bench, tmp_path, seed)
