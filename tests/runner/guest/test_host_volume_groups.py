"""A guest whose volume group is this machine's own, by name and by every UUID: a machine that was cloned from it.

The group lies on a loop device here, where LVM of this machine sees it, and on the guest's disk.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from runner.guest.conversion import GuestDisk, Options, commit, prepare
from tests.runner.guest import small_guest

pytestmark = [
    pytest.mark.guestfs,
    pytest.mark.process,
    pytest.mark.skipif(os.geteuid() != 0, reason="loop devices need root"),
]

MIB = small_guest.MIB
START = MIB  # of the partition that holds the physical volume
NAME = "vg00"
FILES = {
    **small_guest.FILES,
    "etc/fstab": f"/dev/mapper/{NAME}-root / ext4 defaults 0 1\n/dev/sda5 none swap sw 0 0\n",
    "boot/grub/grub.cfg": f"linux /boot/vmlinuz-{small_guest.KERNEL} root=/dev/mapper/{NAME}-root ro quiet\n",
}


def lvm(device: str, *words: str) -> str:
    """LVM of this machine, which sees this device alone and needs no device-mapper; what it printed."""
    config = f'devices {{ use_devicesfile=0 filter=["a|^{device}$|", "r|.*|"] }} backup {{ backup=0 archive=0 }}'
    argv = ["lvm", *words, "--driverloaded", "n", "--config", config]
    return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=60).stdout


@contextmanager
def loop(file: Path) -> Iterator[str]:
    argv = ["losetup", "--find", "--show", "--offset", str(START), str(file)]
    device = subprocess.run(argv, check=True, capture_output=True, text=True, timeout=60).stdout.strip()
    try:
        yield device
    finally:
        subprocess.run(["losetup", "--detach", device], check=True, timeout=60)


def make(file: Path) -> int:
    """A disk with one partition, a physical volume, whose only logical volume is a system; where that begins."""
    small_guest.write_disk(file, {}, uuid=small_guest.DATA_UUID, signature=0x5AD1E031)  # for its partition table
    with loop(file) as device:
        lvm(device, "pvcreate", "--force", "--yes", device)
        lvm(device, "vgcreate", NAME, device)
        lvm(device, "lvcreate", "--activate", "n", "--zero", "n", "--extents", "100%FREE", "--name", "root", NAME)
        first, size = lvm(
            device, "pvs", "--noheadings", "--nosuffix", "--units", "b", "-o", "pe_start,vg_size", device
        ).split()
    at = START + int(first)
    with tempfile.TemporaryDirectory() as name:
        for path, text in FILES.items():
            (Path(name) / path).parent.mkdir(parents=True, exist_ok=True)
            (Path(name) / path).write_text(text, encoding="utf-8")
        argv = ["mke2fs", "-q", "-F", "-t", "ext4", "-O", "^orphan_file,^metadata_csum_seed", "-d", name]
        argv += ["-U", small_guest.ROOT_UUID, "-E", f"offset={at},root_owner=0:0", str(file), f"{int(size) // 1024}k"]
        subprocess.run(argv, check=True, stdin=subprocess.DEVNULL, timeout=60)
    return at


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_guest_s_group_is_edited_and_this_machine_s_is_not(tmp_path: Path) -> None:
    ours, guest = tmp_path / "ours.raw", tmp_path / "guest.raw"
    at = make(ours)
    guest.write_bytes(ours.read_bytes())
    before = sha256(ours)
    with loop(ours) as device:
        assert NAME in lvm(device, "vgs", "--noheadings", "-o", "vg_name"), "this machine has a group of that name"
        disks = [GuestDisk("root", guest, True)]
        prepared = prepare(disks, Options("keep"), tmp_path / "work")
        assert (prepared.facts.root, prepared.facts.groups) == (f"/dev/{NAME}/root", (NAME,))
        assert (sha256(guest), sha256(ours)) == (before, before), "nothing but overlays is written"
        commit(prepared.disks, {"root": guest})
        assert not [link for link in Path("/dev").glob(f"{NAME}*")], "no volume of the guest came up here"
    assert sha256(ours) == before
    assert sha256(guest) != before
    argv = ["debugfs", "-R", "cat /etc/fstab", f"{guest}?offset={at}"]
    shown = subprocess.run(argv, check=True, capture_output=True, text=True, timeout=60).stdout
    assert shown.splitlines() == [f"/dev/mapper/{NAME}-root / ext4 defaults 0 1", "/dev/sda5 none swap sw,nofail 0 0"]
