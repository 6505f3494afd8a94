"""Storage that must not be written to, made by the tools of Linux itself, and what is said of it in a real appliance.

One appliance makes the arrays, the volume group and the subvolumes, as no tool does in a file; a second one looks.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import guestfs
import pytest

from runner.acceleration import accelerator
from runner.guest import overlay
from runner.guest.appliance import Appliance
from runner.guest.facts import FileSystem
from runner.guest.storage import health, system
from runner.guest.storage.refusals import (
    ArrayUnfit,
    DevicesMissing,
    FeatureUnknown,
    FileSystemUnmountable,
    JournalLost,
    VolumeGroupIncomplete,
)

pytestmark = [pytest.mark.guestfs, pytest.mark.process, pytest.mark.xdist_group("storage-health")]

MIB = 1024 * 1024
# In the order of the appliance's disks. Each stands for a machine of its own.
SIZES = {
    "raid-a": 40,
    "raid-b": 40,
    "half-a": 40,
    "half-b": 40,
    "busy-a": 40,
    "busy-b": 40,
    "volumes-a": 40,
    "volumes-b": 40,
    "whole": 40,
    "parted-a": 40,
    "parted-b": 40,
    "two-a": 120,
    "two-b": 120,
    "subvolumes": 120,
    "ext4": 40,
    "shredded": 40,
    **{"torn-ext4": 40, "torn-jfs": 40, "lost-jfs": 40, "torn-btrfs": 120, "torn-xfs": 320},
}
# (offset in bytes, mask of the little-endian 64 bits there) that say so: needs_recovery, FM_MOUNT, log_root.
# btrfs comes last and commits late: a commit, every 30 s by default, leaves it nothing to replay.
TORN = {"ext4": (1024 + 0x60, 4), "jfs": (32768 + 40, 1), "xfs": None, "btrfs": (65536 + 0x60, 2**64 - 1)}
RELEASE = 'ID=debian\nVERSION_ID="12"\n'
# An order that was being written when the disks were copied: in the journal (fsync), not in place.
ORDER = "cd /sysroot/{0} && mkdir orders && sync -f . && echo {0} >orders/one && sync orders/one"


@contextmanager
def plain_appliance(disks: list[Path], append: str = "") -> Iterator[Any]:
    g = guestfs.GuestFS(python_return_dict=True)
    g.set_backend("direct")
    g.set_autosync(False)  # close() would unmount, and no power cut does
    if accelerator() == "tcg":
        g.set_backend_setting("force_tcg", "1")
    if append:
        g.set_append(append)
    for disk in disks:
        g.add_drive_opts(str(disk), format="raw", cachemode="unsafe")
    g.launch()
    try:
        yield g
    finally:
        g.close()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The disks, as they were when the appliance that wrote to them was killed."""
    directory = tmp_path_factory.mktemp("storage")
    paths = {name: directory / f"{name}.raw" for name in SIZES}
    for name, size in SIZES.items():
        with paths[name].open("wb") as file:
            file.truncate(size * MIB)
    for name in ("ext4", "shredded"):
        subprocess.run(["mke2fs", "-qFt", "ext4", "-b", "1024", paths[name]], check=True, timeout=60)
    with paths["shredded"].open("r+b") as file:
        file.seek(2 * 1024)  # its group descriptors
        file.write(b"\xff" * 1024)
    with plain_appliance(list(paths.values())) as g:
        at = dict(zip(SIZES, g.list_devices(), strict=True))
        for name in ("raid", "half", "busy"):
            g.md_create(name, [at[f"{name}-a"], at[f"{name}-b"]], level="raid1")
        g.debug("sh", ["mdadm --wait /dev/md/raid; mdadm --wait /dev/md/half; mdadm --wait /dev/md/busy; true"])
        g.mkfs("ext4", "/dev/md/raid", label="mirrored")
        for name in ("volumes-a", "volumes-b"):
            g.pvcreate(at[name])
        g.vgcreate("vg00", [at["volumes-a"], at["volumes-b"]])
        g.lvcreate("root", "vg00", 8)
        g.pvcreate(at["whole"])
        g.vgcreate("vg-01", [at["whole"]])
        g.lvcreate("ro-ot", "vg-01", 8)
        g.md_create("parts", [at["parted-a"], at["parted-b"]], level="raid0")
        g.part_disk("/dev/md/parts", "gpt")
        g.mkfs_btrfs([at["two-a"], at["two-b"]])
        g.mkfs("btrfs", at["subvolumes"])
        g.mount(at["subvolumes"], "/")
        write_subvolumes(g)
        g.umount_all()
        g.mkfs("jfs", at["lost-jfs"])
        g.mkmountpoint("/lost")
        g.mount(at["lost-jfs"], "/lost")
        g.debug("sh", [ORDER.format("lost")])
        for kind in TORN:
            g.mkfs(kind, at[f"torn-{kind}"])
            g.mkmountpoint(f"/{kind}")
            g.mount_options("commit=300" if kind == "btrfs" else "", at[f"torn-{kind}"], f"/{kind}")
            if kind != "jfs":  # its fsck fails on what this leaves in the journal: see lost-jfs
                g.debug("sh", [ORDER.format(kind)])
        # What is written to the array stays marked as being written: its kernel's patience is 200 ms by default.
        g.debug("sh", ["md=$(readlink -f /dev/md/busy); echo 600 >/sys/block/${md#/dev/}/md/safe_mode_delay"])
        g.debug("sh", ["dd if=/dev/urandom of=/dev/md/busy bs=4096 count=4 oflag=direct"])
    return paths


def write_subvolumes(g: Any) -> None:
    """A root in @ and a snapshot of it, as Ubuntu and timeshift leave them; the snapshot is found first."""
    for name in ("/@", "/@home"):
        g.btrfs_subvolume_create(name)
    g.mkdir("/@/etc")
    g.write("/@/etc/os-release", RELEASE.encode())
    g.write("/@/etc/fstab", b"/dev/sda1 / btrfs defaults,subvol=@ 0 0\n")
    g.btrfs_subvolume_snapshot("/@", "/0-snapshot-of-yesterday")


@pytest.fixture(scope="module")
def overlays(made: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    directory = tmp_path_factory.mktemp("overlays")
    patched = shutil.copy(made["ext4"], directory / "patched.raw")
    with Path(patched).open("r+b") as file:  # s_feature_incompat, bit 21, which no e2fsprogs knows yet
        file.seek(1024 + 0x60 + 2)
        bits = file.read(1)[0]
        file.seek(1024 + 0x60 + 2)
        file.write(bytes([bits | 1 << 5]))
    backing = {**made, "ext4": Path(patched)}
    for name in ("half-b", "volumes-b", "two-b"):  # what the spec forgot
        del backing[name]
    found = {}
    for name, path in backing.items():
        found[name] = directory / f"{name}.qcow2"
        argv = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", str(path), "-o", "cluster_size=524288"]
        subprocess.run([*argv, str(found[name])], check=True, timeout=60)
    return found


def test_what_is_found_unfit_is_left_as_it_was(overlays: dict[str, Path], tmp_path: Path) -> None:
    with Appliance(list(overlays.values())) as appliance:
        facts: dict[str, tuple[FileSystem, ...]] = dict.fromkeys(overlays, ())
        for device in appliance.volumes():
            told, (disk, partition) = appliance.blkid(device), appliance.place(device)
            if disk is not None:
                name = list(overlays)[disk]
                facts[name] = (FileSystem(device, told["TYPE"], told["UUID"], "", "", disk, partition),)
        kernel = appliance.kernel()
        assert re.fullmatch(r"\d+\.\d+\..+", kernel)

        # What udev itself made of the same volumes, whose kernel names are those of the links.
        made = appliance.tool(["sh", "-c", "cd /dev/disk/by-id && for i in md-* dm-uuid-*; do echo $PWD/$i; done"])
        links = [link for volume in appliance.volumes() for link in appliance.links(volume)]
        assert sorted(links) == sorted(made.split())
        assert sum("-part1" in link for link in links) == 2 and sum("-LVM-" in link for link in links) == 1

        health.check_volumes(appliance, facts["raid-a"] + facts["raid-b"])
        (raid,) = [volume for volume in appliance.volumes() if appliance.blkid(volume).get("LABEL") == "mirrored"]
        appliance.mount(raid, "/")
        appliance.write("/note", "written in the overlay\n")
        appliance.unmount_all()
        with pytest.raises(ArrayUnfit, match="1 are here"):
            health.check_volumes(appliance, facts["half-a"])
        with pytest.raises(ArrayUnfit, match="being written"):
            health.check_volumes(appliance, facts["busy-a"] + facts["busy-b"])
        with pytest.raises(VolumeGroupIncomplete) as group:
            health.check_volumes(appliance, facts["volumes-a"])
        assert (group.value.group, group.value.missing) == ("vg00", 1)
        with pytest.raises(DevicesMissing) as btrfs:
            health.check_before_mount(appliance, facts["two-a"][0], facts["two-a"])
        assert (btrfs.value.expected, btrfs.value.found) == (2, 1)
        with pytest.raises(FeatureUnknown) as feature:
            health.check_before_mount(appliance, facts["ext4"][0], facts["ext4"])
        told = feature.value
        assert (told.word, told.bit, told.type, told.kernel) == ("incompat", 21, "ext4", kernel)

        with pytest.raises(FeatureUnknown):
            system.find(appliance, facts["ext4"], 0)
        with pytest.raises(FileSystemUnmountable) as shredded:
            system.find(appliance, facts["shredded"], 0)
        assert (shredded.value.type, shredded.value.kernel) == ("ext4", kernel)

        with pytest.raises(JournalLost, match="logredo failed"):
            health.check_before_mount(appliance, facts["lost-jfs"][0], facts["lost-jfs"])

        root = system.find(appliance, facts["subvolumes"], 0)
        assert root is not None and (root.kind, root.options) == ("linux", "subvol=@")

        check_replayed(appliance, {kind: facts[f"torn-{kind}"][0] for kind in TORN})

    for name in ("half-a", "busy-a", "busy-b", "volumes-a", "two-a", "ext4", "shredded"):
        assert overlay.injected(overlays[name], SIZES[name] * MIB) == (), f"{name} was written to"
    for name in ("raid-a", "raid-b"):
        assert overlay.injected(overlays[name], SIZES[name] * MIB)
        flat = tmp_path / name
        subprocess.run(["qemu-img", "convert", "-O", "raw", overlays[name], flat], check=True, timeout=60)
        told = subprocess.run(
            ["mdadm", "--examine", flat], check=True, capture_output=True, text=True, timeout=60
        ).stdout
        assert re.search(r"State : clean$", told, re.MULTILINE), f"the guest would bring {name} into sync when it boots"


def check_replayed(appliance: Appliance, disks: dict[str, FileSystem]) -> None:
    """What each journal holds is in place after one mount, and the file system clean."""
    for kind, dirty in TORN.items():
        torn = disks[kind]
        if dirty is not None:
            word = int.from_bytes(appliance.bytes_of(torn.device, dirty[0], 8), "little")
            assert word & dirty[1], f"{kind} has nothing to replay"
        health.check_before_mount(appliance, torn, (torn,))
        assert appliance.why_unmountable(torn.device) == ""
        appliance.unmount_all()
        appliance.check_clean(torn.device, kind)
        appliance.mount(torn.device, "/")
        assert appliance.read("/orders/one") == (None if kind == "jfs" else f"{kind}\n")
        appliance.unmount_all()
