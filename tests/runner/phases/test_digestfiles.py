"""A digest file is opened only as the one that its manifest names."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from runner.blocks.digests import ZERO, DigestFile
from runner.manifests import Manifests
from runner.phases.digestfiles import DigestsDiffer, DigestsMissing, open_digests
from schemas.manifest import DiskRecord
from tests.runner.phases.bare_job import manifest

SIZE = 3 << 20


@pytest.fixture
def held(tmp_path: Path) -> tuple[Manifests, DiskRecord]:
    manifests = Manifests(tmp_path)
    path = manifests.digest_file(2, "root")
    path.parent.mkdir(parents=True)
    file = DigestFile.create(path, disk="root", generation=2, size=SIZE)
    for block in range(6):
        file.set(block, ZERO)
    seal = file.seal()
    file.publish()
    file.close()
    record = manifest(2).disks[0]
    return manifests, replace(record, digest_of_digests=seal, source=replace(record.source, bytes=SIZE))


def test_the_right_one_is_opened(held: tuple[Manifests, DiskRecord]) -> None:
    manifests, record = held
    file = open_digests(manifests, 2, record)
    assert (file.disk, file.generation, file.blocks, file.get(5)) == ("root", 2, 6, ZERO)
    file.close()


def test_one_that_is_not_there(held: tuple[Manifests, DiskRecord]) -> None:
    manifests, record = held
    with pytest.raises(DigestsMissing, match="root.digests is missing"):
        open_digests(manifests, 3, record)


@pytest.mark.parametrize(
    ("changed", "size", "fault"),
    [
        ({"digest_of_digests": "0" * 64}, SIZE, "another digest"),
        ({"id": "root"}, SIZE + 1, f"size {SIZE}, not {SIZE + 1}"),
    ],
)
def test_one_that_is_not_the_records(
    held: tuple[Manifests, DiskRecord], changed: dict[str, str], size: int, fault: str
) -> None:
    manifests, record = held
    other = replace(record, source=replace(record.source, bytes=size), **changed)  # type: ignore[arg-type]  # strings all
    with pytest.raises(DigestsDiffer, match=fault):
        open_digests(manifests, 2, other)


@pytest.mark.parametrize(
    ("generation", "disk", "fault"), [(4, "root", "generation 2, not 4"), (2, "data", "disk root")]
)
def test_one_that_lies_under_another_name(
    held: tuple[Manifests, DiskRecord], generation: int, disk: str, fault: str
) -> None:
    manifests, record = held
    place = manifests.digest_file(generation, disk)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(manifests.digest_file(2, "root").read_bytes())
    with pytest.raises(DigestsDiffer, match=fault):
        open_digests(manifests, generation, replace(record, id=disk))
