"""Which run is due when another home made generations meanwhile, or a manifest is damaged; and a redo log that is void.

The account has no snapshots, or those that a test says; homes, records and manifests are real files.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from runner.aws.account import Account
from runner.home import Home
from runner.journal import Journal
from runner.manifests import Manifests
from runner.phases.inject import commit_overlays
from runner.phases.job import Job
from runner.phases.overtaken import Overtaken
from runner.phases.records import Restored, restored_file, write_record
from runner.phases.run import Run, run_file
from runner.terraform.project import Project
from runner.workflow.due import replication_due
from schemas.document import DocumentDamaged
from schemas.manifest import DiskRecord, Manifest, SourceRecord
from schemas.spec import AccessNode, Backend, Destination, Disk, LocalBackend, Source, Spec

_SOURCE = SourceRecord("/root.raw", "raw", 1 << 20, 1, 2, 3)


@dataclass
class Snapshots:
    """The part of EC2 that is asked."""

    tagged: list[int] = field(default_factory=list)

    def get_paginator(self, _name: str) -> Snapshots:
        return self

    def paginate(self, **_filters: object) -> Iterator[dict[str, Any]]:
        yield {
            "Snapshots": [
                {
                    "SnapshotId": f"snap-{n}",
                    "VolumeId": "vol-1",
                    "State": "pending",
                    "Tags": [{"Key": "hotadd:generation", "Value": str(n)}, {"Key": "hotadd:disk", "Value": "root"}],
                }
                for n in self.tagged
            ]
        }


def _no_project() -> Project:
    raise AssertionError("nothing is asked of Terraform")


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """At work on generation 2, of which generation 1 is the reference; the data is copied, nothing injected."""
    home = Home("web01", tmp_path / "home")
    account = Account("eu-west-1")
    account.__dict__["ec2"] = Snapshots()
    run = Run("incremental", 2, 1, began="2026-01-02T00:00:00.000Z")
    made = Job(
        spec=Spec(
            version=1,
            name="web01",
            region="eu-west-1",
            availability_zone="eu-west-1a",
            source=Source((Disk("root", "/root.raw", 1, boot=True),)),
            access_node=AccessNode(instance_id="i-1"),
            destination=Destination("m5.large", "ami-1", "subnet-1"),
            backend=Backend(local=LocalBackend(str(tmp_path))),
        ),
        spec_file=tmp_path / "spec.yaml",
        home=home,
        generation=2,
        account=account,
        journal=Journal("web01", home.events, lambda event: None),
        manifests=Manifests(home.manifests),
        project=_no_project,
        stop=lambda: False,
        start_seconds=1,
        run=run,
    )
    made.manifests.write(_manifest(1, "finished", "d", "2026-01-01T00:00:00.000Z"))
    home.generation(2).mkdir(parents=True)
    write_record(run_file(home.work), run)
    restored = Restored("root", "vol-1", 1 << 30, _SOURCE, "0" * 64, "a" * 32, 0, 0, made="2026-01-02T01:00:00.000Z")
    write_record(restored_file(home.generation(2), "root"), restored)
    return made


def _manifest(number: int, status: Any, copy: str, created: str) -> Manifest:
    disk = DiskRecord("root", "vol-1", 1 << 30, _SOURCE, f"snap-{number}", "d", "0" * 64, copy * 32, ())
    disks, kind = (disk,), "full" if number == 1 else "incremental"
    return Manifest(1, "web01", number, kind, status, created, "eu-west-1", "", "", disks, ())  # type: ignore[arg-type]


# Ours is copy a.
EARLIER, LATER = "2026-01-02T00:30:00.000Z", "2026-01-02T02:00:00.000Z"
# Manifests beside that of generation 1; generations of snapshots; whether the run was overtaken.
CASES: dict[str, tuple[list[Manifest], list[int], bool]] = {
    "nothing else": ([], [2], False),
    "prepared by us": ([_manifest(2, "prepared", "a", LATER)], [2], False),
    "copied anew since": ([_manifest(2, "prepared", "c", EARLIER)], [2], False),
    "prepared elsewhere": ([_manifest(2, "prepared", "b", LATER)], [], True),
    "finished elsewhere": ([_manifest(2, "finished", "b", LATER)], [], True),
    "a later one": ([_manifest(2, "prepared", "a", LATER), _manifest(3, "prepared", "b", LATER)], [], True),
    "a later snapshot": ([_manifest(2, "prepared", "a", LATER)], [3], True),
}


@pytest.mark.parametrize("case", CASES)
def test_a_run_that_was_overtaken_is_given_up(job: Job, case: str) -> None:
    manifests, tagged, overtaken = CASES[case]
    for manifest in manifests:
        job.manifests.write(manifest)
    job.account.__dict__["ec2"] = Snapshots(tagged)
    due = replication_due(job)
    if overtaken:
        newest = manifests[-1].generation
        assert (due.kind, due.generation, due.reference) == ("incremental", newest + 1, newest)
    else:
        assert due == job.run


@pytest.mark.parametrize("case", [name for name, (_, _, overtaken) in CASES.items() if overtaken])
def test_its_overlays_are_not_committed(job: Job, case: str) -> None:
    manifests, tagged, _ = CASES[case]
    for manifest in manifests:
        job.manifests.write(manifest)
    job.account.__dict__["ec2"] = Snapshots(tagged)
    with pytest.raises(Overtaken):
        commit_overlays(job)


@pytest.mark.parametrize("here", [True, False], ids=["files here", "files gone"])
@pytest.mark.parametrize("recorded", [True, False])
def test_a_repair_gives_a_damaged_generation_of_its_own_up(job: Job, here: bool, recorded: bool) -> None:
    job.manifests.write(_manifest(2, "prepared", "a", LATER))
    path = job.manifests.path(2)
    path.write_text(path.read_text()[:-50])
    if not recorded:
        run_file(job.home.work).unlink()
    if not here:
        job.home.generation(2).rename(job.home.directory / "elsewhere")
    if here or recorded:
        with pytest.raises(DocumentDamaged):
            replication_due(replace(job))
    due = replication_due(job, repair=True)
    assert (due.kind, due.generation, due.repair) == ("incremental", 3, True)
