"""Guests whose system lies in LUKS, in a real appliance; qemu-img's own LUKS driver says what was written there."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path

import pytest

from runner.guest.conversion import GuestDisk, Options, check, commit, inspect, prepare
from runner.guest.refusals import EncryptedSystem
from schemas.document import unstructure
from tests.runner.guest import luks_guest, small_guest

pytestmark = pytest.mark.guestfs

OPENED = f"/dev/mapper/{luks_guest.NAME}"


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def decrypted(disk: Path, to: Path) -> Path:
    """The content of the LUKS volume (version 1), as QEMU reads it."""
    key = to.with_suffix(".key")
    key.write_text(luks_guest.KEY, encoding="utf-8")
    offset = 17 * luks_guest.MIB
    image = f"driver=luks,key-secret=s,file.driver=raw,file.offset={offset},file.file.driver=file"
    argv = ["qemu-img", "convert", "-O", "raw", "--object", f"secret,id=s,file={key}", "--image-opts"]
    subprocess.run([*argv, f"{image},file.file.filename={disk}", str(to)], check=True, timeout=60)
    return to


def cat(image: Path, path: str) -> str:
    argv = ["debugfs", "-R", f"cat {path}", str(image)]
    return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=60).stdout


@pytest.mark.slow
def test_keys_that_do_not_fit_refuse_the_guest_untouched(tmp_path: Path) -> None:
    disk = tmp_path / "disk.raw"
    luks_guest.build(disk, luks_guest.PLAIN)
    before = sha256(disk)
    with pytest.raises(EncryptedSystem) as refusal:
        keys = ("wrong", luks_guest.KEY + "\n")
        prepare([GuestDisk("root", disk, True)], Options("keep", luks_keys=keys), tmp_path / "work")
    assert (refusal.value.device, refusal.value.mount, refusal.value.keys) == ("/dev/sda2", "/", 2)
    assert sha256(disk) == before


def test_a_system_in_luks_is_converted_with_its_key(tmp_path: Path) -> None:
    disk = tmp_path / "disk.raw"
    luks_guest.build(disk, luks_guest.PLAIN)
    before = sha256(disk)
    disks = [GuestDisk("root", disk, True)]
    keys = ("wrong", luks_guest.KEY)
    prepared = prepare(disks, Options("keep", luks_keys=keys), tmp_path / "work")
    assert sha256(disk) == before, "prepare wrote to the disk"
    assert prepared.facts.root == OPENED
    assert luks_guest.KEY not in json.dumps(unstructure(prepared), ensure_ascii=False)
    edited = [edit.path for edit in prepared.edits if edit.action != "left as it is"]
    assert edited == ["/etc/fstab", "/boot/grub/grub.cfg", "/etc/default/grub"]
    (note,) = [edit for edit in prepared.edits if edit.action == "left as it is"]
    assert note.path == "/etc/crypttab" and "EC2 serial console" in note.why

    commit(prepared.disks, {"root": disk})
    system = decrypted(disk, tmp_path / "system")
    subprocess.run(["e2fsck", "-fn", str(system)], check=True, capture_output=True, timeout=60)
    lines = cat(system, "/etc/fstab").splitlines()
    assert [line.split()[0] for line in lines] == [OPENED, f"UUID={luks_guest.BOOT_UUID}"]
    assert cat(system, "/etc/crypttab") == luks_guest.PLAIN.files["etc/crypttab"]
    argv = ["debugfs", "-R", "cat /grub/grub.cfg", f"{disk}?offset={luks_guest.MIB}"]
    shown = subprocess.run(argv, check=True, capture_output=True, text=True, timeout=60).stdout
    assert f" root={OPENED} " in shown and "console=ttyS0,115200n8" in shown

    again = prepare(disks, Options("keep", luks_keys=keys), tmp_path / "again")
    assert again.edits == (note,)


def test_a_system_on_lvm_in_luks_2_is_found_with_its_key(tmp_path: Path) -> None:
    disk = tmp_path / "disk.raw"
    luks_guest.build(disk, luks_guest.WITH_LVM)
    facts = inspect([GuestDisk("root", disk, True)], tmp_path / "work", (luks_guest.KEY,))
    assert (facts.root, facts.groups) == ("/dev/vg-app/root", ("vg-app",))
    assert [mount.point for mount in facts.mounts] == ["/", "/boot"]
    (volume,) = facts.luks
    assert (volume.device, volume.uuid, volume.mapping) == ("/dev/sda2", luks_guest.LUKS_UUID, OPENED)
    assert volume.holds == (OPENED, "/dev/vg-app/root")
    (root,) = [fs for fs in facts.file_systems if fs.device == facts.root]
    assert (root.uuid, root.disk, root.partition) == (small_guest.ROOT_UUID, None, None)
    check(facts, Options("keep", hypervisor="nitro"))
