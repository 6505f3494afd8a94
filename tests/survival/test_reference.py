"""What an incremental stands on, damaged in every way: refused by a class of its own, before anything is changed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runner.manifests import write_manifest
from schemas.document import structure
from schemas.manifest import Manifest
from tests.survival.generations import ON_SOURCE, is_up_to_date, scribble
from tests.survival.ground import DISKS, Lab, Replication

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

pytestmark = [pytest.mark.lab, pytest.mark.process]


@pytest.fixture(scope="module")
def doubted(replication: Callable[[str], Replication]) -> Replication:
    made = replication("doubted")
    ended = made.replicate()
    assert ended.status == 0, ended.said
    return made


@contextmanager
def kept(path: Path) -> Iterator[Path]:
    """The file is put back afterwards."""
    before = path.with_name(f"{path.name}.before")
    shutil.copy2(path, before)
    try:
        yield path
    finally:
        shutil.move(before, path)


def _manifest(made: Replication) -> Path:
    return made.home / "manifest" / "generation-0001.json"


def _digests(made: Replication, disk: str = "root") -> Path:
    return made.home / "manifest" / "generation-0001" / f"{disk}.digests"


def _forged(path: Path, **fields: object) -> None:
    """The manifest with other values, well sealed: as if another run had written it."""
    document: dict[str, Any] = json.loads(path.read_text())
    document["seal"] = ""
    path.write_text(write_manifest(structure(document | fields, Manifest)))


@contextmanager
def broken_seal(made: Replication) -> Iterator[None]:
    with kept(_manifest(made)) as path:
        path.write_text(path.read_text().replace('"A guest of the tests', '"Another guest'))
        yield


@contextmanager
def cut_manifest(made: Replication) -> Iterator[None]:
    with kept(_manifest(made)) as path:
        path.write_bytes(path.read_bytes()[:-100])
        yield


@contextmanager
def manifest_of_another(made: Replication) -> Iterator[None]:
    with kept(_manifest(made)) as path:
        _forged(path, replication="stranger")
        yield


@contextmanager
def manifest_of_another_region(made: Replication) -> Iterator[None]:
    with kept(_manifest(made)) as path:
        _forged(path, region="mars-north-1")
        yield


@contextmanager
def other_volumes(made: Replication) -> Iterator[None]:
    with kept(_manifest(made)) as path:
        disks = json.loads(path.read_text())["disks"]
        disks[0]["volume_id"] = "vol-0123456789abcdef0"
        _forged(path, disks=disks)
        yield


@contextmanager
def no_manifest(made: Replication) -> Iterator[None]:
    with kept(_manifest(made)) as path:
        path.unlink()
        yield


@contextmanager
def cut_digests(made: Replication) -> Iterator[None]:
    with kept(_digests(made)) as path, path.open("r+b") as file:
        file.truncate(path.stat().st_size - 16)
        yield


@contextmanager
def flipped_digests(made: Replication) -> Iterator[None]:
    with kept(_digests(made)) as path, path.open("r+b") as file:
        file.seek(-1, 2)
        byte = file.read(1)
        file.seek(-1, 2)
        file.write(bytes([byte[0] ^ 1]))
        file.flush()
        yield


@contextmanager
def digests_of_the_other_disk(made: Replication) -> Iterator[None]:
    with kept(_digests(made)) as path:
        shutil.copy2(_digests(made, "data"), path)
        yield


@contextmanager
def no_digests(made: Replication) -> Iterator[None]:
    with kept(_digests(made)) as path:
        path.unlink()
        yield


@contextmanager
def disks_in_another_order(made: Replication) -> Iterator[None]:
    with kept(made.spec) as path:
        lines = path.read_text().splitlines()
        first, second = (next(n for n, line in enumerate(lines) if f"id: {disk}" in line) for disk in DISKS)
        lines[first], lines[second] = lines[second], lines[first]
        path.write_text("\n".join(lines) + "\n")
        yield


@contextmanager
def a_disk_less(made: Replication) -> Iterator[None]:
    with kept(made.spec) as path:
        lines = [line for line in path.read_text().splitlines() if "id: data" not in line]
        path.write_text("\n".join(lines) + "\n")
        yield


@contextmanager
def a_disk_more(made: Replication) -> Iterator[None]:
    with kept(made.spec) as path:
        line = next(line for line in path.read_text().splitlines() if "id: data" in line)
        path.write_text(path.read_text().replace(line, line + "\n" + line.replace("id: data", "id: logs")))
        yield


@contextmanager
def a_smaller_source(made: Replication) -> Iterator[None]:
    with kept(made.source("data")) as path, path.open("r+b") as file:
        file.truncate(path.stat().st_size - 512)
        yield


@contextmanager
def protection(made: Replication) -> Iterator[None]:
    with kept(made.spec) as path:
        path.write_text(path.read_text() + "protect: true\n")
        yield


DAMAGES: list[tuple[Callable[[Replication], Any], int, str]] = [
    (broken_seal, 4, "its seal is broken"),
    (cut_manifest, 4, "it is no JSON"),
    (manifest_of_another, 4, "is of the replication stranger, not doubted"),
    (manifest_of_another_region, 4, "is of the region mars-north-1"),
    (other_volumes, 4, "has other volumes than were copied, for root"),
    (no_manifest, 4, "is replicated, but its manifest of generation 1 is missing"),
    (cut_digests, 4, "its length does not fit its header"),
    (flipped_digests, 4, "it has another digest"),
    (digests_of_the_other_disk, 4, "it has another digest"),
    (no_digests, 4, "root.digests is missing"),
    (disks_in_another_order, 3, "were root, data; the spec now has data, root"),
    (a_disk_less, 3, "lacks disks of the replica: data"),
    (a_disk_more, 3, "has disks that the replica lacks: logs"),
    (a_smaller_source, 3, "the earlier generation 67108864"),
    (protection, 3, "the spec says `protect: true`"),
]


@pytest.mark.parametrize(("damage", "status", "sentence"), DAMAGES, ids=lambda value: getattr(value, "__name__", ""))
def test_is_refused_before_anything_is_changed(
    doubted: Replication, damage: Callable[[Replication], Any], status: int, sentence: str
) -> None:
    before, effects = doubted.left(), doubted.effects()
    with damage(doubted):
        ended = doubted.replicate()
    assert ended.status == status, ended.said
    assert sentence in ended.said and "\nhint: " in ended.said and "Traceback" not in ended.said, ended.said
    assert (doubted.left(), doubted.effects()) == (before, effects)


def _tags(made: Replication, generation: int, copy: str) -> Any:
    tags = {"replication": made.name, "role": "integrity", "disk": "root", "generation": str(generation), "copy": copy}
    return [{"Key": f"hotadd:{key}", "Value": value} for key, value in tags.items()]


class TestSnapshots:
    """Of one replication, in order: the last of these is recovered from."""

    def test_of_another_copy(self, doubted: Replication, ec2: EC2Client) -> None:
        record = doubted.records()["root"]
        snapshot = record["integrity_snapshot_id"]
        ec2.create_tags(Resources=[snapshot], Tags=_tags(doubted, 1, "0" * 32))
        self._refused(doubted, f"{snapshot} of disk root is of the copy {'0' * 32}")
        ec2.create_tags(Resources=[snapshot], Tags=_tags(doubted, 1, record["copy"]))

    def test_of_a_later_generation_than_the_newest_manifest(self, doubted: Replication, ec2: EC2Client) -> None:
        """As after an old copy of the manifests was put back. The run that was refused before must not go on."""
        (doubted.home / "work" / "run.json").unlink()
        tags: Any = [{"ResourceType": "snapshot", "Tags": _tags(doubted, 4, "0" * 32)}]
        volume = doubted.outputs()["volumes"]["root"]
        later = ec2.create_snapshot(VolumeId=volume, TagSpecifications=tags)["SnapshotId"]
        ec2.get_waiter("snapshot_completed").wait(SnapshotIds=[later], WaiterConfig={"Delay": 1})
        self._refused(doubted, f"is of generation 1, but {later} is of 4")
        ec2.delete_snapshot(SnapshotId=later)

    def test_deleted(self, doubted: Replication, ec2: EC2Client) -> None:
        snapshot = doubted.records()["root"]["integrity_snapshot_id"]
        ec2.delete_snapshot(SnapshotId=snapshot)
        self._refused(doubted, f"The integrity snapshot {snapshot} of disk root does not exist")

    def test_a_repair_compares_all_and_goes_on(self, doubted: Replication, lab: Lab) -> None:
        scribble(doubted.source("root"), ON_SOURCE, b"changed before the repair")
        scribble(doubted.volume_file("data"), (9 << 20, 700 << 20), b"by nobody we know")
        ended = doubted.run(["replicate", "--repair", str(doubted.spec)])
        assert ended.status == 0, ended.said
        is_up_to_date(doubted, 2)
        assert doubted.manifest(2)["base"] == 0
        ended = doubted.replicate()
        assert ended.status == 0, ended.said
        is_up_to_date(doubted, 3)

    @staticmethod
    def _refused(made: Replication, sentence: str) -> None:
        before = made.left()
        ended = made.replicate()
        assert ended.status == 4 and sentence in ended.said, ended.said
        assert made.left() == before


def test_a_protected_destination_is_stopped_on_request(doubted: Replication) -> None:
    with protection(doubted):
        ended = doubted.run(["replicate", "--stop", str(doubted.spec)])
    assert ended.status == 0, ended.said
    is_up_to_date(doubted, 4)
