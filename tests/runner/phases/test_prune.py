"""Which snapshots a prune deletes, a row a snapshot."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.aws.account import Account, CallFailed
from runner.aws.snapshots import Snapshot
from runner.journal import read_events
from runner.phases import prune as prune_module
from runner.phases.prune import delete_unless_wanted, doomed_snapshots
from schemas.manifest import DiskRecord, Manifest, SourceRecord
from tests.runner.phases.bare_job import bare_job

VOLUME, OTHER = "vol-0123456789abcdef0", "vol-0fedcba9876543210"


def manifest(generation: int, snapshot: str) -> Manifest:
    source = SourceRecord("/images/root.raw", "raw", 1 << 30, 1, 2, 3)
    disk = DiskRecord("root", VOLUME, 1 << 30, source, snapshot, "d", "0" * 64, "0" * 32, ())
    when = "2026-11-23T06:00:00Z"
    return Manifest(1, "web01", generation, "full", "finished", when, "r", "", "Debian", (disk,), ())


def snapshot(name: str, generation: int, volume: str = VOLUME) -> Snapshot:
    return Snapshot(name, volume, "completed", "100%", "root", generation, "0" * 32)


# Generations 1 (gone), 2 (its manifest is damaged), 3 (kept) and 4 (the newest).
SNAPSHOTS = [
    (snapshot("snap-1", 1), True),
    (snapshot("snap-2", 2), False),  # what the damaged manifest names, nobody knows
    (snapshot("snap-3", 3), False),
    (snapshot("snap-4", 4), False),
    (snapshot("snap-4-try", 4), True),  # a try that came to nothing
    (snapshot("snap-5", 5), False),  # another machine's, later
    (snapshot("snap-strange", 4, OTHER), False),  # not of our volumes
]


def test_one_that_somebody_uses_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = bare_job(tmp_path)
    (tmp_path / "work").mkdir()

    def in_use(_: Account, snapshot_id: str) -> None:
        raise CallFailed("ec2:DeleteSnapshot", "InvalidSnapshot.InUse", f"{snapshot_id} is in use by ami-1")

    monkeypatch.setattr(prune_module, "delete_snapshot", in_use)
    delete_unless_wanted(job, snapshot("snap-1", 1), "delete snapshots")
    told = read_events(job.home.events)[-1]
    assert told.step == "delete snapshots" and told.message is not None and "snap-1 stays: " in told.message


@pytest.mark.parametrize(("one", "doomed"), SNAPSHOTS, ids=lambda value: getattr(value, "id", ""))
def test_what_goes(one: Snapshot, doomed: bool) -> None:
    newest = manifest(4, "snap-4")
    found = doomed_snapshots([one], newest, [newest, manifest(3, "snap-3")], [manifest(1, "snap-1")], {2})
    assert (found == [one]) is doomed
