"""Integrity snapshots that end in `error` at a moment of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runner.phases import snapshot as phase
from runner.phases.records import Restored, restored_file, write_record
from schemas.manifest import SourceRecord
from tests.runner.phases.bare_job import bare_job

VOLUMES = {"root": "vol-1", "data": "vol-2"}


class Ec2:
    """Keeps snapshots; the first one errs after it was listed `listings` times, the others complete at once."""

    def __init__(self, listings: int) -> None:
        self._left = listings
        self.snapshots: list[dict[str, Any]] = []

    def create_snapshot(self, **wanted: Any) -> dict[str, Any]:
        number = len(self.snapshots) + 1
        made = {
            "SnapshotId": f"snap-{number}",
            "VolumeId": wanted["VolumeId"],
            "State": "pending" if number == 1 else "completed",
            "Tags": wanted["TagSpecifications"][0]["Tags"],
        }
        self.snapshots.append(made)
        return made

    def delete_snapshot(self, SnapshotId: str) -> None:  # noqa: N803 - EC2's name
        self.snapshots = [one for one in self.snapshots if one["SnapshotId"] != SnapshotId]

    def get_paginator(self, _name: str) -> Ec2:
        return self

    def paginate(self, **_filters: object) -> Iterator[dict[str, Any]]:
        first = next((one for one in self.snapshots if one["SnapshotId"] == "snap-1"), None)
        if first is not None:
            first["State"] = "pending" if self._left > 0 else "error"
            self._left -= 1
        yield {"Snapshots": [dict(one) for one in self.snapshots]}


@pytest.mark.parametrize("listings", range(5))
def test_one_that_errs_is_taken_again_whenever_that_is_seen(
    listings: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = bare_job(tmp_path)
    ec2 = Ec2(listings)
    job.account.__dict__["ec2"] = ec2
    monkeypatch.setattr(phase, "require_phase", lambda *_: SimpleNamespace(volumes=VOLUMES))
    monkeypatch.setattr(phase, "copy_again", lambda _job: False)
    for disk in job.spec.source.disks:
        source = SourceRecord("/images/root.raw", "raw", 1 << 30, 1, 2, 3)
        held = Restored(disk.id, VOLUMES[disk.id], 1 << 30, source, "0" * 64, "0" * 32, 0, 0)
        write_record(restored_file(job.generation_directory, disk.id), held)

    phase.complete_snapshots(job)

    assert {one["State"] for one in ec2.snapshots} == {"completed"}
    assert sorted(one["VolumeId"] for one in ec2.snapshots) == sorted(VOLUMES[d.id] for d in job.spec.source.disks)
