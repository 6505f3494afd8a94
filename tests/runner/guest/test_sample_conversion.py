"""The sample guest's initramfs, rebuilt by its own tools in the appliance; e2fsprogs and lsinitramfs look at it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from runner.guest.conversion import GuestDisk, Options, commit, prepare
from runner.lab.guest import sample

pytestmark = [pytest.mark.guestfs, pytest.mark.slow]

CACHE = Path(__file__).parents[3] / ".cache"


@pytest.mark.skipif(os.geteuid() != 0, reason="building the sample guest needs root and debootstrap")
def test_the_rebuilt_initramfs_has_ec2_drivers_and_nothing_is_left_to_edit(tmp_path):
    guest = sample.build(tmp_path / "guest", cache=CACHE, log=print)
    disks = [GuestDisk(d.id, d.path, d.id == "root") for d in guest.disks]
    prepared = prepare(disks, Options("dhcp", os="linux"), tmp_path / "work")
    commit(prepared.disks, {disk.id: disk.device for disk in disks})
    assert not prepared.disks[1].clusters

    image, copy = f"/boot/initrd.img-{guest.kernel}", tmp_path / "initrd"
    device = f"{disks[0].device}?offset=1048576"
    subprocess.run(["debugfs", "-R", f"dump {image} {copy}", device], check=True, capture_output=True, timeout=60)
    assert shutil.which("lsinitramfs"), "comes with the kernel that libguestfs needs"
    listed = subprocess.run(["lsinitramfs", copy], check=True, capture_output=True, text=True, timeout=60).stdout
    names = {Path(line).name.partition(".")[0] for line in listed.splitlines() if ".ko" in line}
    assert {"nvme", "nvme-core", "ena", "xen-blkfront", "xen-netfront", "vmw_pvscsi", "ext4"} <= names

    assert prepare(disks, Options("keep"), tmp_path / "again").edits == ()
