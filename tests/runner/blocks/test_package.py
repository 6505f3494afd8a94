"""OVA and OVF packages: disks are read in place, manifests are held against what is there, nothing outside is read."""

from __future__ import annotations

import gzip
import os
import tarfile

import pytest

from runner.blocks.bytefile import open_local
from runner.blocks.errors import FileMissing, ImageRefused, PackageDiffers, SourceMissing
from runner.blocks.memory import MemoryDevice, MemorySource
from runner.blocks.package import check_package, read_ovf
from runner.blocks.source import check_stated, open_source
from runner.cli.copy import run
from schemas.errors import HotaddError, Refused
from tests.runner.blocks.package_made import archive, description, manifest, package
from tests.runner.blocks.vmdk_made import GRAIN, SECTOR, sparse, streamed

GRAIN_BYTES = GRAIN * SECTOR


def content_of(picture: str, seed: int = 1) -> bytes:
    return bytes(MemorySource.from_picture(picture, GRAIN_BYTES, seed=seed).content)


@pytest.fixture
def disk(tmp_path) -> tuple[bytes, bytes]:
    """A disk's content, and the stream that holds it."""
    content = content_of("DD-D0")
    streamed(tmp_path / "made.vmdk", content)
    return content, (tmp_path / "made.vmdk").read_bytes()


def read_all(path, format: str = "ova", member: str = "") -> bytes:
    source = open_source(str(path), format, member)
    try:
        buffer = bytearray(source.size)
        source.read_into(0, memoryview(buffer))
        return bytes(buffer)
    finally:
        source.close()


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha384", "sha512"])
def test_a_disk_is_read_out_of_the_tar(tmp_path, disk, algorithm):
    package(tmp_path / "vm.ova", {"disk 1.vmdk": disk[1]}, algorithm=algorithm)
    assert read_all(tmp_path / "vm.ova") == disk[0]
    assert read_all(tmp_path / "vm.ova", member="disk 1.vmdk") == disk[0]
    found = check_package(open_local(str(tmp_path / "vm.ova")), "ova")
    assert found.files == ("vm.ovf", "disk 1.vmdk") and not found.certificate
    assert read_ovf(str(tmp_path / "vm.ova")).name == "vm"


def test_a_disk_is_copied_and_the_package_watched(bench, tmp_path, disk):
    package(tmp_path / "vm.ova", {"disk.vmdk": disk[1]})
    device = MemoryDevice(len(disk[0]), fill=b"\xff")
    source = open_source(str(tmp_path / "vm.ova"), "ova")
    result = bench.copy(source, device, verify="full")
    assert device.content == disk[0] and source.location == f"{tmp_path}/vm.ova/disk.vmdk"
    package(tmp_path / "new", {"disk.vmdk": disk[1]})
    (tmp_path / "new").rename(tmp_path / "vm.ova")
    assert result.source.changes(source.fingerprint())


def test_one_of_several_disks_is_named(tmp_path, disk):
    other = content_of("-D", seed=9)
    streamed(tmp_path / "other", other)
    package(tmp_path / "vm.ova", {"a.vmdk": disk[1], "b.vmdk": (tmp_path / "other").read_bytes()})
    assert read_all(tmp_path / "vm.ova", member="b.vmdk") == other
    for member in ("", "c.vmdk", "vm.ovf", "../b.vmdk"):
        with pytest.raises(ImageRefused, match="a.vmdk, b.vmdk") as caught:
            open_source(str(tmp_path / "vm.ova"), "ova", member)
        assert caught.value.field == "member"
    with pytest.raises(ImageRefused) as caught:
        open_source(str(tmp_path / "other"), "vmdk", "a.vmdk")
    assert caught.value.field == "member"


@pytest.mark.parametrize("format", ["ova", "ovf"])
def test_a_gzipped_disk_is_read(tmp_path, disk, format):
    packed = gzip.compress(disk[1])
    package(tmp_path / "vm.ova", {"disk.vmdk.gz": packed}, more='ovf:compression="gzip"')
    if format == "ovf":
        with tarfile.open(tmp_path / "vm.ova") as tar:
            tar.extractall(tmp_path)
    assert read_all(tmp_path / f"vm.{format}", format) == disk[0]
    assert len(check_package(open_local(str(tmp_path / f"vm.{format}")), format).files) == 2


def test_a_package_in_files_is_read(tmp_path, disk):
    name = "web%20data.vmdk"  # as a URL writes a blank
    files = [("vm.ovf", description(name)), ("web data.vmdk", disk[1])]
    for file, data in [*files, ("vm.mf", manifest(files, "sha512")), ("vm.cert", b"signed")]:
        (tmp_path / file).write_bytes(data)
    assert read_all(tmp_path / "vm.ovf", "ovf") == disk[0]
    found = check_package(open_local(str(tmp_path / "vm.ovf")), "ovf", "web data.vmdk")
    assert found.files == ("vm.ovf", "web data.vmdk") and found.certificate
    (tmp_path / "vm.mf").unlink()
    assert check_package(open_local(str(tmp_path / "vm.ovf")), "ovf").files == ()


def test_files_are_closed_with_the_source(tmp_path, disk):
    package(tmp_path / "vm.ova", {"disk.vmdk": disk[1]})
    with tarfile.open(tmp_path / "vm.ova") as tar:
        tar.extractall(tmp_path)
    before = len(os.listdir("/proc/self/fd"))
    for format in ("ova", "ovf"):
        open_source(str(tmp_path / f"vm.{format}"), format).close()
        check_package(open_local(str(tmp_path / f"vm.{format}")), format)
        read_ovf(str(tmp_path / f"vm.{format}"))
        with pytest.raises(ImageRefused):
            open_source(str(tmp_path / f"vm.{format}"), format, "none")
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_wrong_digest_is_refused(tmp_path, disk):
    text = description("disk.vmdk")
    said = manifest([("vm.ovf", text), ("disk.vmdk", disk[1])])
    changed = disk[1].replace(b"ddb.virtualHWVersion", b"ddb.virtualHWversion")
    archive(tmp_path / "disk.ova", [("vm.ovf", text), ("vm.mf", said), ("disk.vmdk", changed)])
    archive(tmp_path / "text.ova", [("vm.ovf", text + b" "), ("vm.mf", said), ("disk.vmdk", disk[1])])
    for name in ("disk", "text"):
        with pytest.raises(PackageDiffers) as caught:
            check_package(open_local(str(tmp_path / f"{name}.ova")), "ova")
        assert caught.value.algorithm == "sha256" and caught.value.exit_code == 3
        assert caught.value.location.endswith("/disk.vmdk" if name == "disk" else "/vm.ovf")
    with pytest.raises(PackageDiffers):  # the description's is looked at whenever a disk is opened
        open_source(str(tmp_path / "text.ova"), "ova")
    with pytest.raises(PackageDiffers):
        check_stated(open_local(str(tmp_path / "disk.ova")), "ova", "disk.vmdk")
    check_stated(open_local(str(tmp_path / "disk.ova")), "raw")  # states nothing


def test_hotadd_copy_writes_nothing_of_a_package_that_was_changed(tmp_path, disk):
    package(tmp_path / "vm.ova", {"disk.vmdk": disk[1]})
    (tmp_path / "target").write_bytes(b"\xff" * len(disk[0]))
    words = [str(tmp_path / "vm.ova"), str(tmp_path / "target"), "--format", "ova"]
    whole = (tmp_path / "vm.ova").read_bytes()
    (tmp_path / "vm.ova").write_bytes(whole.replace(b"ddb.virtualHWVersion", b"ddb.virtualHWversion"))
    with pytest.raises(PackageDiffers):
        run(words)
    assert (tmp_path / "target").read_bytes() == b"\xff" * len(disk[0])
    (tmp_path / "vm.ova").write_bytes(whole)
    assert run([*words, "--verify", "full"]) == 0
    assert (tmp_path / "target").read_bytes() == disk[0]


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"\xff\xfe",
        b"SHA256(vm.ovf) " + b"0" * 64,
        b"MD5(vm.ovf)= " + b"0" * 32,
        b"SHA256(vm.ovf)= " + b"0" * 40,
        b"SHA256(../vm.ovf)= " + b"0" * 64,
        b"SHA256(vm.ovf)= " + b"0" * 64 + b"\nSHA256(vm.ovf)= " + b"0" * 64,
        b"SHA256(other)= " + b"0" * 64,
        b"\n" * (1024 * 1024 + 1),
    ],
    ids=["empty", "binary", "no =", "md5", "short", "path", "twice", "incomplete", "huge"],
)
def test_a_manifest_that_breaks_a_rule_is_refused(tmp_path, disk, said):
    archive(tmp_path / "vm.ova", [("vm.ovf", description("disk.vmdk")), ("vm.mf", said), ("disk.vmdk", disk[1])])
    with pytest.raises(ImageRefused) as caught:
        open_source(str(tmp_path / "vm.ova"), "ova")
    assert caught.value.field == "manifest"


def test_a_disk_that_is_no_vmdk_is_refused(tmp_path, disk):
    plain = [("vm.ovf", description("disk.vmdk")), ("disk.vmdk", disk[1])]
    flat = tmp_path / "flat.vmdk"
    flat.write_bytes(b'# Disk DescriptorFile\nparentCID=ffffffff\ncreateType="monolithicFlat"\nRW 8 FLAT "vm.ovf" 0\n')
    cases = {
        "format": [("vm.ovf", description("disk.vmdk", format="http://qcow2")), plain[1]],
        "header": [plain[0], ("disk.vmdk", gzip.compress(disk[1]))],
        "file": [plain[0], ("disk.vmdk", flat.read_bytes())],
        "description": [*plain, ("other.ovf", b"")],
        "member": [("vm.ovf", description())],
    }
    for field, entries in cases.items():
        archive(tmp_path / "vm.ova", entries)
        with pytest.raises(ImageRefused) as caught:
            open_source(str(tmp_path / "vm.ova"), "ova")
        assert caught.value.field == field
    archive(tmp_path / "vm.ova", [plain[0]])
    with pytest.raises(FileMissing):
        open_source(str(tmp_path / "vm.ova"), "ova")


def test_nothing_outside_of_an_ovfs_folder_is_read(tmp_path, disk):
    folder = tmp_path / "package"
    folder.mkdir()
    (tmp_path / "secret.vmdk").write_bytes(disk[1])
    (folder / "link.vmdk").symlink_to("../secret.vmdk")
    (folder / "folder.vmdk").mkdir()
    os.mkfifo(folder / "pipe.vmdk")
    os.mknod(folder / "device.vmdk", 0o600 | 0o060000, os.makedev(7, 250))
    names = ("link.vmdk", "folder.vmdk", "pipe.vmdk", "device.vmdk", "../secret.vmdk", str(tmp_path / "secret.vmdk"))
    for name in (*names, "missing.vmdk"):
        (folder / "vm.ovf").write_bytes(description(name))
        with pytest.raises(ImageRefused) as caught:
            open_source(str(folder / "vm.ovf"), "ovf")
        assert caught.value.field in ("file", "File href")
    (folder / "vm.ovf").write_bytes(description("disk.vmdk"))
    (folder / "disk.vmdk").write_bytes(disk[1])
    (folder / "vm.mf").symlink_to("../secret.vmdk")
    with pytest.raises(ImageRefused, match="symbolic link"):  # not: no manifest
        open_source(str(folder / "vm.ovf"), "ovf")
    with pytest.raises(SourceMissing):
        read_ovf(str(folder / "none.ovf"))


@pytest.mark.thorough
@pytest.mark.parametrize("make", [streamed, sparse])
def test_a_package_cut_at_any_4_kib_is_refused(tmp_path, make):
    make(tmp_path / "disk", content_of("DD-D"))
    package(tmp_path / "vm.ova", {"disk.vmdk": (tmp_path / "disk").read_bytes()})
    whole = (tmp_path / "vm.ova").read_bytes()
    end_of_data = len(whole.rstrip(b"\0"))
    for end in range(0, end_of_data, 4096):
        (tmp_path / "cut.ova").write_bytes(whole[:end])
        with pytest.raises(HotaddError) as caught:
            open_source(str(tmp_path / "cut.ova"), "ova")
        assert isinstance(caught.value, Refused), f"cut at {end}"
