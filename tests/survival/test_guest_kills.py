"""Killed while a real appliance has the guest open, before the commit and in the middle of it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3

from runner.guest.conversion import scratch_of
from tests.runner.guest import small_guest
from tests.survival.driver import Fate
from tests.survival.ground import DISKS, Lab, Replication
from tests.survival.holding import assert_holds

pytestmark = [pytest.mark.lab, pytest.mark.process, pytest.mark.guestfs]

CLUSTER = 512 * 1024
REAL = {"guest": "real"}


@pytest.fixture(scope="module")
def patient(replication: Callable[[str], Replication]) -> Replication:
    """A replication of the small guest."""
    made = replication("patient")
    for disk, built in zip(DISKS, small_guest.build(made.directory / "guest"), strict=True):
        built.replace(made.source(disk))
    return made


def _scratch(made: Replication) -> Path:
    """Where the conversion of a generation keeps what its unprivileged user must reach (runner/guest/conversion)."""
    work = made.home / "work" / "generation-0001"
    return scratch_of(work)


def _users(scratch: Path, program: str = "") -> list[str]:
    """The processes that were started on something in `scratch`, of all programs or of one."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words, environment = (process / "cmdline").read_bytes(), (process / "environ").read_bytes()
        except OSError:
            continue
        if program.encode() in words.partition(b"\0")[0] and os.fsencode(scratch) in words + environment:
            found.append(process.name)
    return found


def _wait(look: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.mark.parametrize("step", ["preflight", "prepare guest"])
def test_killed_while_the_appliance_runs_nothing_goes_on_running(patient: Replication, step: str) -> None:
    scratch = _scratch(patient)
    pid = patient.begin(["replicate", str(patient.spec)], Fate(**REAL))
    _wait(lambda: _started(patient) == step and bool(_users(scratch, "qemu-system-x86_64")), 180)
    time.sleep(1)
    os.kill(pid, signal.SIGKILL)
    assert patient.driver.end().killed
    assert scratch.is_dir()  # what a SIGKILL must leave, and the next run must remove
    _wait(lambda: not _users(scratch), 10)
    assert _started(patient) == step and patient.twice() == []


def _started(made: Replication) -> str:
    return next((event.step for event in reversed(made.events()) if event.status == "started"), "")


def test_killed_in_the_middle_of_the_commit(patient: Replication) -> None:
    ended = patient.replicate(Fate("commit", writes=2, **REAL))
    assert ended.killed, ended.said
    assert not _scratch(patient).exists()
    assert len(list((patient.home / "work" / "generation-0001").glob("*.qcow2"))) == len(DISKS)


def test_then_completes_without_asking_the_guest_again(patient: Replication) -> None:
    ended = patient.replicate(Fate(**REAL))
    assert ended.status == 0, ended.said
    steps = [event.step for event in patient.events() if event.status == "started"]
    assert steps.count("prepare guest") == 2 and steps.count("commit") == 2
    assert not _scratch(patient).exists()
    assert not list(patient.home.rglob("*.qcow2"))


@pytest.mark.parametrize("disk", DISKS)
def test_the_snapshot_is_the_source_and_the_volume_differs_where_the_manifest_says(
    patient: Replication, lab: Lab, disk: str
) -> None:
    record: dict[str, Any] = next(d for d in patient.manifest()["disks"] if d["id"] == disk)
    source = patient.source(disk).read_bytes()
    assert_holds(lab.info.layout.snapshot(record["integrity_snapshot_id"]), source)
    volume = lab.info.layout.volume(patient.outputs()["volumes"][disk])
    injected = {block["offset"]: block["digest"] for block in record["injected"]}
    with open(volume, "rb") as held:
        for at in range(0, len(source), CLUSTER):
            block = held.read(CLUSTER)
            if at in injected:
                assert blake3(block.ljust(CLUSTER, b"\0")).hexdigest(length=16) == injected[at]
            else:
                assert block == source[at : at + CLUSTER]
    assert disk != "root" or injected  # opening a journal at least writes to the root
