"""kill -9 at random moments, then the same command."""

from __future__ import annotations

import os
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
    whole, _, _ = log.read_text().rpartition("\n") if log.exists() else ("", "", "")
    return [(int(offset), int(length)) for offset, length in (line.split() for line in whole.splitlines())]


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


@pytest.fixture
def loop(tmp_path):
    """A loop device of 100 MiB with direct I/O."""
    if os.geteuid() != 0:
        pytest.skip("loop devices need root")
    backing = tmp_path / "backing"
    with open(backing, "wb") as file:
        file.truncate(200 * BLOCK)
    try:
        setup = ["losetup", "--find", "--show", "--direct-io=on", str(backing)]
        name = subprocess.run(setup, capture_output=True, text=True, check=True).stdout.strip()
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no loop device: {error.stderr.strip()}")
    yield Path(name)
    subprocess.run(["losetup", "--detach", name], check=True)


def bytes_written_to(loop: Path) -> int:
    """By the kernel's own count (Documentation/block/stat.rst: the seventh number, in sectors of 512 bytes)."""
    return int(Path("/sys/block", loop.name, "stat").read_text().split()[6]) * 512


@pytest.mark.process
def test_killed_for_twenty_seconds_a_device_gets_no_more_than_an_interval_twice(bench, loop, tmp_path):
    source, seed, until = tmp_path / "source", 0, time.monotonic() + 20
    while time.monotonic() < until:
        seed += 1
        chance = random.Random(seed)
        pattern = MemorySource.from_picture("".join(chance.choices("DDD0-", k=200)), BLOCK, seed)
        source.write_bytes(pattern.content)
        loop.write_bytes(bytes(200 * BLOCK))
        for left in (bench.digests, bench.checkpoint):
            left.unlink(missing_ok=True)
        command = [sys.executable, COPYING, source, loop, tmp_path, str(INTERVAL), tmp_path / "log"]
        before, kills = bytes_written_to(loop), 0
        while True:
            child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
            limit = bytes_written_to(loop) + chance.randrange(1, 100) * BLOCK
            while child.poll() is None and (kills >= 3 or bytes_written_to(loop) < limit):
                time.sleep(0.001)
            if child.poll() is None:
                child.kill()
                kills += 1
            child.wait()
            if child.returncode == 0:
                break
            assert child.returncode == -9
        assert loop.read_bytes() == pattern.content
        data = sum(BLOCK for at in range(0, pattern.size, BLOCK) if any(pattern.content[at : at + BLOCK]))
        again = bytes_written_to(loop) - before - data
        assert 0 <= again <= kills * (INTERVAL + 4 * 4 * BLOCK), f"{again} bytes twice in {kills} kills (seed {seed})"
