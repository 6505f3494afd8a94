"""Any source as a disk: served by our readers to tools of others, and looked at in an appliance."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from runner.aws.account import Account
from runner.cli.main import run
from runner.guest.refusals import ConversionFailed
from runner.guest.served import ServedDisk, served
from runner.lab.record import LabInfo
from runner.phases.guests import source_device
from runner.phases.look import Given, members_of
from tests.runner.blocks import package_made
from tests.runner.guest import small_guest

ACCOUNT = Account("us-east-1")
OWNER = (os.geteuid(), os.getegid())


def converted(raw: Path, to: Path, format: str, *options: str) -> Path:
    subprocess.run(["qemu-img", "convert", "-O", format, *options, str(raw), str(to)], check=True, timeout=60)
    return to


def streamed(raw: Path) -> bytes:
    return converted(raw, raw.with_suffix(".vmdk"), "vmdk", "-o", "subformat=streamOptimized").read_bytes()


@pytest.fixture(scope="module")
def guest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the small guest as VMware left it: root.raw, data.raw, and both in guest.ova."""
    folder = tmp_path_factory.mktemp("guest")
    root, data = small_guest.build(folder, changes=small_guest.FROM_VMWARE)
    package_made.package(folder / "guest.ova", {"root.vmdk": streamed(root), "data.vmdk": streamed(data)})
    return folder


@pytest.fixture
def s3(in_lab: LabInfo, guest: Path) -> Iterator[str]:
    """The OVA in the lab's S3."""
    client = boto3.client("s3")
    client.create_bucket(Bucket="exports")
    client.upload_file(str(guest / "guest.ova"), "exports", "guest.ova")
    yield "s3://exports/guest.ova"
    client.delete_object(Bucket="exports", Key="guest.ova")
    client.delete_bucket(Bucket="exports")


def assert_served(location: str, format: str, member: str, folder: Path, expected: Path) -> None:
    disk = source_device(location, format, member, ACCOUNT)
    assert isinstance(disk, ServedDisk) and disk.size == expected.stat().st_size
    at = folder / "disk.sock"
    with served(disk, at, OWNER):
        subprocess.run(
            ["qemu-img", "compare", "-f", "raw", "-F", "raw", f"nbd+unix:///?socket={at}", str(expected)],
            check=True,
            timeout=60,
        )
    assert list(folder.iterdir()) == []


@pytest.mark.process
@pytest.mark.parametrize("kind", ["ova", "vmdk", "qcow2"])
def test_what_is_served_is_the_disk(guest: Path, tmp_path: Path, kind: str) -> None:
    images = {
        "ova": (guest / "guest.ova", "data.vmdk"),
        "vmdk": (guest / "data.vmdk", ""),
        "qcow2": (converted(guest / "data.raw", guest / "data.qcow2", "qcow2", "-c"), ""),
    }
    image, member = images[kind]
    assert_served(str(image), kind, member, tmp_path, guest / "data.raw")


@pytest.mark.lab
@pytest.mark.process
def test_what_is_served_from_s3_is_the_disk(s3: str, guest: Path, tmp_path: Path) -> None:
    assert members_of(s3, "ova", ACCOUNT) == (Given(s3, "ova", "root.vmdk"), Given(s3, "ova", "data.vmdk"))
    assert_served(s3, "ova", "root.vmdk", tmp_path, guest / "root.raw")


@pytest.mark.process
def test_a_source_that_is_gone_is_told(guest: Path, tmp_path: Path) -> None:
    disk = source_device(str(guest / "data.vmdk"), "vmdk", "", ACCOUNT)
    assert isinstance(disk, ServedDisk)
    gone = tuple((key, "/nonexistent.vmdk" if key == "location" else value) for key, value in disk.settings)
    with (
        pytest.raises(ConversionFailed, match="does not exist"),
        served(ServedDisk(disk.plugin, gone, disk.size, False), tmp_path / "s", OWNER),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_raw_file_needs_no_server(tmp_path: Path) -> None:
    (tmp_path / "disk.raw").write_bytes(b"1")
    assert source_device(str(tmp_path / "disk.raw"), "raw", "", ACCOUNT) == tmp_path / "disk.raw"


@pytest.mark.guestfs
def test_an_ova_is_inspected_and_nothing_changed(guest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ova = guest / "guest.ova"
    before = hashlib.sha256(ova.read_bytes()).hexdigest(), ova.stat().st_mtime_ns
    assert run(["inspect", str(ova), "--format", "ova", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (hashlib.sha256(ova.read_bytes()).hexdigest(), ova.stat().st_mtime_ns) == before
    assert told["supported"] and told["product"] == "Debian GNU/Linux 12 (bookworm)" and told["os"] == "linux"
    assert [(disk["member"], disk["bytes"], disk["partition_table"]) for disk in told["disks"]] == [
        ("root.vmdk", small_guest.SIZE, "dos"),
        ("data.vmdk", small_guest.SIZE, "dos"),
    ]
    assert [fs["uuid"] for fs in told["file_systems"]] == [small_guest.ROOT_UUID, small_guest.DATA_UUID]
    assert [kernel["version"] for kernel in told["kernels"]] == [small_guest.KERNEL]
    assert "10.1.1.5" in told["advice"][0]


@pytest.mark.slow
@pytest.mark.lab
@pytest.mark.guestfs
def test_an_ova_in_s3_is_inspected(s3: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["inspect", s3, "--format", "ova"]) == 0
    told = capsys.readouterr().out
    assert "Debian GNU/Linux 12 (bookworm)" in told and "verdict: supported with bios" in told


@pytest.mark.slow
@pytest.mark.guestfs
def test_what_holds_no_guest_is_refused(guest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["inspect", str(guest / "data.vmdk"), "--format", "vmdk"]) == 3
    told = capsys.readouterr().out
    assert "verdict: not supported" in told and "because: " in told


@pytest.mark.thorough
def test_words_that_make_no_sense_are_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "disk.raw").write_bytes(b"1")
    assert run(["inspect", str(tmp_path / "disk.raw"), "--firmware", "openfirmware"]) == 64
    assert run(["inspect", str(tmp_path / "disk.raw"), "--boot", "2"]) == 64
    assert run(["inspect", str(tmp_path / "none.raw")]) == 3
    assert run(["inspect", str(tmp_path / "disk.raw"), "--format", "guess"]) == 3
    assert "Traceback" not in capsys.readouterr().err
