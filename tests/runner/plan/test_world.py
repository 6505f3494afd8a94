"""What a plan sees of sources and of runs under way: real files, and records in a home."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from runner.home import Home
from runner.manifests import Manifests
from runner.phases.records import Applying, applying_file, write_record
from runner.phases.run import Run, run_file
from runner.plan.world import World, hash_of, look
from schemas.loading import load_spec
from schemas.manifest import SourceRecord
from tests.runner.plan.conftest import manifest, stack

MIB = 1 << 20
SPEC = """version: 1
name: web01
region: eu-central-1
availability_zone: eu-central-1a
source:
  disks:
    - {{id: root, path: {root}, size_gib: 1, boot: true}}
    - {{id: data, path: {data}, size_gib: 2, format: {format}}}
access_node: {{instance_id: i-0123456789abcdef0}}
destination: {{instance_type: m5.large, shell_ami: ami-0123456789abcdef0, subnet_id: subnet-0123456789abcdef0}}
backend: {{local: {{path: state}}}}
"""


class Machine:
    """A spec, its sources and its home in a directory."""

    def __init__(self, place: Path, data: str = "data.raw", format: str = "raw") -> None:
        self.place = place
        for name, megabytes in (("root.raw", 1), ("data.raw", 0)):
            with open(place / name, "wb") as file:
                file.truncate(64 * MIB)
                file.write(os.urandom(megabytes * MIB))
        self.file = place / "web01.yaml"
        self.file.write_text(SPEC.format(root="root.raw", data=data, format=format))
        self.home = Home("web01", place / "state" / "web01")
        self.manifests = Manifests(self.home.manifests)
        document = {**stack(), "terraform": {"required_version": ">= 1.11", "backend": {"local": {"path": str(place)}}}}
        (place / "cdk.tf.json").write_text(json.dumps(document))

    def look(self) -> World:
        return look(self.file, load_spec(self.file), self.place, self.home, self.manifests)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_source_is_known_by_its_data_and_its_record(machine: Machine) -> None:
    """Against stat; 1 MiB of noise, the rest a hole (the file system may round up a little)."""
    seen = machine.look().sources
    status = (machine.place / "root.raw").stat()
    path = str(machine.place / "root.raw")
    expected = SourceRecord(path, "raw", 64 * MIB, status.st_mtime_ns, status.st_ino, status.st_dev)
    assert seen["root"].record == expected
    assert MIB <= seen["root"].bytes_data < 2 * MIB
    assert seen["data"].bytes_data == 0
    assert not (machine.place / "state").exists(), "looking leaves nothing"


def test_a_source_that_is_elsewhere_is_not_seen(machine: Machine) -> None:
    (machine.place / "data.raw").unlink()
    assert set(machine.look().sources) == {"root"}


def test_an_image_of_qemu_s_formats_is_not_opened(tmp_path: Path) -> None:
    """Its header is no qcow2 at all; the file's own record tells whether it changed, its volume how large it may be."""
    machine = Machine(tmp_path, format="qcow2")
    found = machine.look().sources["data"]
    assert (found.exact, found.bytes_data) == (False, 2 << 30)
    assert found.record.mtime_ns == (tmp_path / "data.raw").stat().st_mtime_ns


def test_the_spec_s_hash_is_that_of_what_it_says(machine: Machine) -> None:
    first = machine.look().spec_hash
    machine.file.write_text("# a comment\n" + machine.file.read_text().replace("version: 1\n", "version:   1\n"))
    assert machine.look().spec_hash == first
    machine.file.write_text(machine.file.read_text() + "verify: written\n")
    assert machine.look().spec_hash != first


def test_the_stack_s_hash_follows_neither_checkout_nor_phase(machine: Machine) -> None:
    """The backend's path and the variables' defaults differ between places and phases; a size is the plan's matter."""
    first = machine.look().stack_hash
    text = machine.place / "cdk.tf.json"
    document = json.loads(text.read_text())
    document["terraform"]["backend"]["local"]["path"] = "/elsewhere"
    document["variable"]["slots"]["default"] = {"root": "xvdh", "data": "xvdi"}
    document["//"] = {"metadata": "cdktf's"}
    text.write_text(json.dumps(document))
    assert machine.look().stack_hash == first
    document["resource"]["aws_ebs_volume"]["disk_root"]["size"] = 41
    text.write_text(json.dumps(document))
    assert machine.look().stack_hash != first


UNDER_WAY = [
    (None, None, None, None),
    (Run("full", 1), None, None, Run("full", 1)),
    (None, None, 1, Run("full", 1)),
    (None, manifest(), None, None),
    (None, manifest(), 3, Run("full", 3, began=manifest().created)),
    (None, manifest(), 4, Run("incremental", 4, 3)),
    (Run("incremental", 4, 3), manifest(), 4, Run("incremental", 4, 3)),
    (Run("full", 3), manifest(), None, None),  # it has ended, and only the note of that is missing
    (Run("full", 3), manifest(), 3, Run("full", 3)),
]


@pytest.mark.parametrize(("noted", "newest", "directory", "expected"), UNDER_WAY)
def test_the_run_under_way(machine: Machine, noted, newest, directory, expected) -> None:  # type: ignore[no-untyped-def]
    if newest is not None:
        machine.manifests.directory.mkdir(parents=True)
        machine.manifests.write(newest)
    if directory is not None:
        machine.home.generation(directory).mkdir(parents=True)
    if noted is not None:
        machine.home.work.mkdir(parents=True, exist_ok=True)
        write_record(run_file(machine.home.work), noted)
    assert machine.look().under_way == expected


def test_an_apply_that_died_is_seen(machine: Machine) -> None:
    assert not machine.look().died
    machine.home.work.mkdir(parents=True)
    write_record(applying_file(machine.home.work), Applying("apply staging", 1, "2026-11-23T06:10:14Z"))
    assert machine.look().died


def test_a_hash_is_of_values_and_not_of_their_order() -> None:
    assert hash_of({"a": 1, "b": [2]}) == hash_of({"b": [2], "a": 1}) != hash_of({"a": 1, "b": [3]})
