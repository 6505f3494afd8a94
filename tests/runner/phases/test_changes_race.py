"""Whoever makes change lists replaces image and list at any moment: bytes and list are of one state, or it is said.

The step itself, on a regular file for a device; the moment is made exact by what opens the source.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from runner.aws.account import Account
from runner.blocks.delta import copy_changes
from runner.blocks.errors import SourceChanged
from runner.blocks.extent import BLOCK, Extent
from runner.blocks.memory import MemoryDevice, MemorySource
from runner.blocks.source import Source
from runner.home import Home
from runner.journal import Journal
from runner.manifests import Manifests
from runner.phases import incremental
from runner.phases.job import Job
from runner.phases.origin import opened
from runner.phases.reference import Reference
from runner.phases.run import Run
from runner.terraform.project import Project
from schemas.manifest import DiskRecord, Manifest, SourceRecord
from schemas.spec import AccessNode, Backend, Destination, Disk, LocalBackend, Spec
from schemas.spec import Source as SpecSource

BLOCKS = 4
OLD = b"".join(bytes([n + 1]) * BLOCK for n in range(BLOCKS))


class Machine:
    """A source with its list, a volume that holds `OLD`, and the reference of that."""

    def __init__(self, place: Path) -> None:
        self.image, self.list, self.volume = place / "root.raw", place / "root.json", place / "volume"
        self.volume.write_bytes(OLD + bytes(BLOCK))
        self.disk = Disk("root", str(self.image), 1, boot=True, changes=str(self.list))
        home = Home("web01", place / "home")
        self.job = Job(
            spec=Spec(
                version=1,
                name="web01",
                region="eu-west-1",
                availability_zone="eu-west-1a",
                source=SpecSource((self.disk,)),
                access_node=AccessNode(instance_id="i-1"),
                destination=Destination("m5.large", "ami-1", "subnet-1"),
                backend=Backend(local=LocalBackend(str(place))),
            ),
            spec_file=place / "spec.yaml",
            home=home,
            generation=2,
            account=Account("eu-west-1"),
            journal=Journal("web01", home.events, lambda event: None),
            manifests=Manifests(home.manifests),
            project=_no_project,
            stop=lambda: False,
            start_seconds=1,
            run=Run("incremental", 2, 1),
        )
        home.generation(2).mkdir(parents=True)
        digests = self.job.manifests.digest_file(1, "root")
        digests.parent.mkdir(parents=True)
        self.job.manifests.digest_file(2, "root").parent.mkdir(parents=True)
        source = MemorySource(OLD, [Extent(0, len(OLD), "data")])
        copy_changes(source, MemoryDevice(len(OLD)), disk="root", generation=1, reference=None, digests=digests)
        was = SourceRecord(str(self.image), "raw", len(OLD), 1, 1, 1, "", "one")
        disk = DiskRecord("root", "vol-1", 1 << 30, was, "snap-1", "", "0" * 64, "a" * 32, ())
        manifest = Manifest(1, "web01", 1, "full", "finished", "", "eu-west-1", "", "", (disk,), ())
        self.reference = Reference(manifest, {"root": digests})

    def produce(self, name: str, changed: tuple[int, ...]) -> bytes:
        """An image in which those blocks changed since the reference, and its list."""
        content = bytearray(OLD)
        for n in changed:
            content[n * BLOCK : (n + 1) * BLOCK] = name.encode()[:1] * BLOCK
        fresh = self.image.with_suffix(".new")
        fresh.write_bytes(content)
        os.replace(fresh, self.image)
        extents = [{"offset": n * BLOCK, "length": BLOCK} for n in changed]
        self.list.write_text(
            json.dumps({"version": 1, "id": name, "base": "one", "size": len(OLD), "extents": extents})
        )
        return bytes(content)

    def restore(self) -> None:
        place = incremental._Place("vol-1", self.volume, [], "now")
        incremental._restore_disk(self.job, self.disk, place, self.reference, None)


def _no_project() -> Project:
    raise AssertionError("nothing is asked of Terraform")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    made = Machine(tmp_path)
    made.produce("two", (0,))
    return made


def test_both_are_replaced_before_the_source_is_opened(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[bytes] = []

    @contextmanager
    def replaced(job: Job, disk: Disk, wanted: Iterable[int]) -> Iterator[tuple[Source, SourceRecord]]:
        made.append(machine.produce("three", (0, 2)))
        with opened(job, disk, wanted) as found:
            yield found

    monkeypatch.setattr(incremental, "opened", replaced)
    machine.restore()
    assert machine.volume.read_bytes() == made[0] + bytes(BLOCK)


def test_the_list_alone_is_replaced_once_the_source_is_open(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def replaced(job: Job, disk: Disk, wanted: Iterable[int]) -> Iterator[tuple[Source, SourceRecord]]:
        with opened(job, disk, wanted) as found:
            machine.list.write_text(machine.list.read_text().replace("two", "three"))
            yield found

    monkeypatch.setattr(incremental, "opened", replaced)
    with pytest.raises(SourceChanged, match="its change list was two and is three"):
        machine.restore()
    assert not (machine.job.generation_directory / "root.restored.json").exists()
