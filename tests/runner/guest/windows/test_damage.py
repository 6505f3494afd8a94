"""Damage of every kind to hives and their logs ends in a hive or in a refusal, never in a crash."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from runner.guest.windows.refusals import HiveBroken
from runner.guest.windows.regf import check_bins
from runner.guest.windows.replay import ready
from tests.runner.guest.windows import made_hives, made_logs


@pytest.mark.thorough
def test_damaged_logs_and_hives_are_replayed_or_refused(tmp_path: Path) -> None:
    tree = dict(made_hives.system_tree(made_hives.WINDOWS_2012_R2))
    first = made_hives.make(tmp_path / "first", tree).read_bytes()
    tree["ControlSet001\\Services\\later"] = {"Blob": (3, bytes(range(256)) * 12)}
    second = made_hives.make(tmp_path / "second", tree).read_bytes()
    dirty = made_hives.renumbered(first, 8, 7)
    entries = [
        made_logs.entry(number, made_logs.bins_of(second), made_logs.changed(first, second)) for number in (7, 8)
    ]
    logs = [made_logs.new_log(dirty, 7, entries[:1]), made_logs.new_log(dirty, 8, entries[1:])]
    kinds = ([dirty, *logs], [dirty, made_logs.old_log(dirty, second, 8), b""])
    ends = {"replayed": 0, "refused": 0}
    for seed in range(400):
        chance = random.Random(seed)
        files = [bytearray(file) for file in kinds[seed % 2]]
        file = chance.choice([file for file in files if file])
        if chance.random() < 0.25:
            del file[chance.randrange(len(file)) :]
        else:
            for _ in range(chance.choice([1, 1, 4])):
                # Half of it where the numbers are: the base block's first bytes and the head of what follows it.
                end = len(file) if chance.random() < 0.5 else min(len(file), 600)
                file[chance.randrange(end)] ^= 1 << chance.randrange(8)
        try:
            check_bins(ready(bytes(files[0]), bytes(files[1]), bytes(files[2])), "SYSTEM")
            ends["replayed"] += 1
        except HiveBroken:
            ends["refused"] += 1
    assert all(count > 40 for count in ends.values()), ends


@pytest.mark.process
@pytest.mark.thorough
def test_hivex_survives_what_is_let_through(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.runner.guest.windows.damage", str(tmp_path), "800", "1400"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=Path(__file__).parents[4],
    )
    assert done.returncode == 0, done.stderr[-2000:]
    refused, edited = (int(number) for number in done.stdout.split())
    assert refused > 100
    assert edited > 100
