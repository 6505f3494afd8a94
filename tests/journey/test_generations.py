"""The second generation with real Terraform and a real conversion: two disks with file systems that both sides changed.

Nobody boots here: what the guest's owner and the destination write is written by debugfs, into the file systems.
"""

from __future__ import annotations

import filecmp
import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from runner.cli.job import open_job
from runner.guest.conversion import GuestDisk, commit, prepare
from runner.guest.facts import Options
from runner.lab import account
from runner.lab.record import LabInfo
from runner.phases.move import plan_again
from tests.journey.conftest import effects, hotadd, read_calls
from tests.runner.guest import small_guest

pytestmark = [
    pytest.mark.terraform,
    pytest.mark.guestfs,
    pytest.mark.lab,
    pytest.mark.node,
    pytest.mark.process,
    pytest.mark.xdist_group("generations"),
]

PARTITION = 1 << 20  # bytes; where small_guest's only one begins


def debugfs(image: Path, request: str, *, write: bool = False) -> str:
    """One request to the file system in an image's partition."""
    words = ["debugfs", *(["-w"] if write else []), "-R", request, f"{image}?offset={PARTITION}"]
    return subprocess.run(words, check=True, capture_output=True, text=True, timeout=60).stdout


def tree(image: Path, place: Path) -> Path:
    """All files of an image, copied out."""
    place.mkdir()
    debugfs(image, f"rdump / {place}")
    shutil.rmtree(place / "lost+found", ignore_errors=True)
    return place


def differing(one: Path, two: Path) -> list[str]:
    """Files that differ between two trees, or are in one alone."""
    names = {str(p.relative_to(top)) for top in (one, two) for p in top.rglob("*") if p.is_file()}
    there = [n for n in names if (one / n).is_file() and (two / n).is_file()]
    _, wrong, failed = filecmp.cmpfiles(one, two, there, shallow=False)
    return sorted({*(names - set(there)), *wrong, *failed})


@dataclass(frozen=True)
class Replica:
    """A replica of two generations."""

    info: LabInfo
    spec: Path
    calls_before: int

    @property
    def manifest(self) -> dict[str, Any]:
        return dict(json.loads((self.info.directory / "state/small/manifest/generation-0002.json").read_text()))

    def disks(self) -> Iterator[tuple[Path, Path, Path]]:
        """Source, volume and integrity snapshot of each disk."""
        for disk in self.manifest["disks"]:
            source = self.info.directory / "guest" / f"{disk['id']}.raw"
            volume = self.info.directory / "volumes" / f"{disk['volume_id']}.raw"
            yield source, volume, self.info.directory / "snapshots" / f"{disk['integrity_snapshot_id']}.raw"


@pytest.fixture(scope="module")
def replica(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replica]:
    place = tmp_path_factory.mktemp("generations") / "lab"
    info = account.up(place, boot=False)
    try:
        root, data = small_guest.build(place / "guest", changes=small_guest.FROM_VMWARE)
        spec = place / "small.yaml"
        document = {
            "version": 1,
            "name": "small",
            "region": info.region,
            "availability_zone": info.availability_zone,
            "source": {
                "disks": [
                    {"id": "root", "path": str(root), "size_gib": 1, "boot": True},
                    {"id": "data", "path": str(data), "size_gib": 1},
                ]
            },
            "network": "dhcp",
            "integrity": {"find": "snapshot"},
            "access_node": {"instance_id": info.access_node_id},
            "destination": {
                "instance_type": "m5.large",
                "shell_ami": info.amis["linux"],
                "subnet_id": info.subnet_id,
            },
            "backend": {"local": {"path": str(place / "state")}},
        }
        spec.write_text(json.dumps(document), encoding="utf-8")
        first = hotadd(["replicate", str(spec)], place)
        assert first.returncode == 0, first.stdout + first.stderr
        _change(place, root, data)
        before = len(read_calls(place))
        second = hotadd(["replicate", str(spec)], place)
        assert second.returncode == 0, second.stdout + second.stderr
        yield Replica(info, spec, before)
    finally:
        account.down(place)


def _change(place: Path, root: Path, data: Path) -> None:
    """The source gets files, about 1 % of it; the destination, which ran, wrote others and damaged one."""
    news = place / "news.txt"
    news.write_text("".join(f"news {number}\n" for number in range(60_000)))
    debugfs(root, f"write {news} news.txt", write=True)
    debugfs(data, f"write {news} news.txt", write=True)
    debugfs(data, "rm orders.txt", write=True)
    manifest = json.loads((place / "state/small/manifest/generation-0001.json").read_text())
    for disk in manifest["disks"]:
        volume = place / "volumes" / f"{disk['volume_id']}.raw"
        debugfs(volume, f"write {news} stray.txt", write=True)
    debugfs(place / "volumes" / f"{manifest['disks'][0]['volume_id']}.raw", "rm etc/fstab", write=True)


def test_it_is_an_incremental_that_wrote_a_part(replica: Replica) -> None:
    manifest = replica.manifest
    assert (manifest["kind"], manifest["base"], manifest["status"]) == ("incremental", 1, "finished")
    for disk in manifest["disks"]:
        assert 0 < disk["bytes_changed"] < small_guest.SIZE // 4
        assert 0 < disk["bytes_written"] < small_guest.SIZE // 2


def test_the_integrity_snapshots_equal_the_source(replica: Replica) -> None:
    for source, _, snapshot in replica.disks():
        size = source.stat().st_size
        subprocess.run(["cmp", "--bytes", str(size), str(source), str(snapshot)], check=True, timeout=60)
        rest = str(snapshot.stat().st_size - size)
        words = ["cmp", "--bytes", rest, f"--ignore-initial={size}:0", str(snapshot), "/dev/zero"]
        subprocess.run(words, check=True, timeout=60)


def test_the_file_trees_are_those_of_a_fresh_conversion(replica: Replica, tmp_path: Path) -> None:
    """The source, converted again beside it, has the same files as the volumes; and these are clean."""
    copies, volumes = [], []
    for source, volume, _ in replica.disks():
        copies.append(Path(shutil.copy(source, tmp_path / source.name)))
        with copies[-1].open("r+b") as file:
            file.truncate(volume.stat().st_size)
        volumes.append(volume)
    disks = [GuestDisk(copy.stem, copy, copy.stem == "root") for copy in copies]
    made = prepare(disks, Options(network="dhcp"), tmp_path / "work")
    commit(made.disks, {disk.id: disk.device for disk in disks})
    for copy, volume in zip(copies, volumes, strict=True):
        fresh, ours = tree(copy, tmp_path / f"fresh-{copy.stem}"), tree(volume, tmp_path / f"ours-{copy.stem}")
        assert differing(fresh, ours) == []
        assert not (ours / "stray.txt").exists()
        words = ["e2fsck", "-fn", f"{volume}?offset={PARTITION}"]
        assert subprocess.run(words, capture_output=True, timeout=120).returncode == 0
    ours = tmp_path / "ours-root"
    assert (ours / "news.txt").read_text().startswith("news 0\n")
    assert "UUID=" in (ours / "etc/fstab").read_text()


def test_every_effect_was_had_once(replica: Replica) -> None:
    """Two disks: taken back, staged, released, handed over; snapshots of now (temporary) and of the new source."""
    counted = effects(read_calls(replica.info.directory)[replica.calls_before :])
    assert (counted["StopInstances"], counted["StartInstances"]) == (1, 1)
    assert (counted["DetachVolume"], counted["AttachVolume"]) == (4, 4)
    # Two taken ahead of the stop, two after it, two integrity snapshots; the first four are removed.
    assert (counted["CreateSnapshot"], counted["DeleteSnapshot"]) == (6, 4)
    assert not counted["CreateVolume"] and not counted["RunInstances"] and not counted["DeleteVolume"]


def test_the_plan_after_it_is_empty(replica: Replica, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in account.environment(replica.info.directory).items():
        monkeypatch.setenv(name, value)
    with open_job(replica.spec, lambda event: None) as job:
        assert plan_again(job).empty
