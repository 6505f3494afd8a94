"""The sample guest, looked at with e2fsprogs and sfdisk instead of our own reader."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from runner.lab.guest import sample, tree

CACHE = Path(__file__).parents[3] / ".cache"
START = 1024 * 1024


@pytest.fixture(scope="module")
def guest(tmp_path_factory: pytest.TempPathFactory) -> sample.SampleGuest:
    if os.geteuid() != 0 or shutil.which("debootstrap") is None:
        pytest.skip("building the sample guest needs root and debootstrap")
    return sample.build(tmp_path_factory.mktemp("guest"), cache=CACHE, log=print)


def debugfs(disk: sample.SampleDisk, request: str) -> bytes:
    argv = ["debugfs", "-R", request, f"{disk.path}?offset={START}"]
    return subprocess.run(argv, check=True, capture_output=True, timeout=60).stdout


def table(disk: sample.SampleDisk) -> dict[str, object]:
    argv = ["sfdisk", "--json", str(disk.path)]
    told = json.loads(subprocess.run(argv, check=True, capture_output=True, timeout=60).stdout)
    return dict(told["partitiontable"])


@pytest.mark.guestfs
def test_both_disks_have_an_mbr_with_one_linux_partition(guest):
    for disk in guest.disks:
        found = table(disk)
        assert found["label"] == "dos"
        (partition,) = found["partitions"]
        assert (partition["start"], partition["type"]) == (2048, "83")
        assert disk.path.stat().st_size == disk.size_bytes


@pytest.mark.guestfs
def test_the_root_is_named_by_vmware_device_in_every_place(guest):
    root = guest.disks[0]
    fstab = debugfs(root, "cat /etc/fstab").decode()
    assert [line.split()[0] for line in fstab.splitlines()[1:3]] == ["/dev/sda1", "/dev/sdb1"]
    grub = debugfs(root, "cat /boot/grub/grub.cfg").decode()
    kernels = [line.split() for line in grub.splitlines() if line.strip().startswith("linux")]
    assert kernels
    assert all("root=/dev/sda1" in words and not any("ttyS0" in word for word in words) for words in kernels)
    assert guest.mac in debugfs(root, "cat /etc/udev/rules.d/70-persistent-net.rules").decode()
    assert f"address {guest.address}/" in debugfs(root, "cat /etc/network/interfaces").decode()


@pytest.mark.guestfs
def test_its_initramfs_has_vmware_drivers_and_no_nvme(guest, tmp_path):
    if shutil.which("lsinitramfs") is None:
        pytest.skip("needs lsinitramfs of initramfs-tools-core")
    copy = tmp_path / "initrd"
    debugfs(guest.disks[0], f"dump /boot/initrd.img-{guest.kernel} {copy}")
    listed = subprocess.run(["lsinitramfs", copy], check=True, capture_output=True, text=True, timeout=60).stdout
    names = {Path(line).name.partition(".")[0] for line in listed.splitlines() if ".ko" in line}
    assert {"vmw_pvscsi", "mptspi", "sd_mod", "ahci", "ext4"} <= names
    assert not {"nvme", "nvme-core", "ena", "xen-blkfront"} & names


@pytest.mark.guestfs
def test_the_kernel_has_the_drivers_that_conversion_adds(guest):
    known = debugfs(guest.disks[0], f"cat /lib/modules/{guest.kernel}/modules.dep").decode()
    for name in ("nvme.ko", "nvme-core.ko", "ena.ko", "xen-blkfront.ko", "xen-netfront.ko"):
        assert f"/{name}:" in known


@pytest.mark.guestfs
def test_the_data_files_are_those_that_the_facts_name(guest):
    for name, digest in guest.data_files:
        assert hashlib.sha256(debugfs(guest.disks[1], f"cat /{name}")).hexdigest() == digest


@pytest.mark.guestfs
def test_its_file_systems_are_clean_and_its_copy_is_sparse(guest):
    for disk in guest.disks:
        argv = ["e2fsck", "-fn", f"{disk.path}?offset={START}"]
        subprocess.run(argv, check=True, capture_output=True, timeout=120)
        assert disk.path.stat().st_blocks * 512 < disk.size_bytes / 2


def test_it_is_refused_without_root(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(tree.NotRoot) as refusal:
        tree.check_can_build()
    assert refusal.value.exit_code == 3


def test_a_missing_debootstrap_is_named_with_its_package(monkeypatch, tmp_path):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(tree.ToolMissing) as refusal:
        tree.check_can_build()
    assert refusal.value.hint == "Install it: apt-get install debootstrap."
