"""Partitions, volumes and file systems of a guest, made in libguestfs's appliance.

The kernel of the machine that the lab runs on may have neither LVM nor these file systems.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import guestfs

from runner.acceleration import accelerator
from runner.lab.guest.kinds import kind as kinds
from runner.lab.guest.kinds.kind import Kind

_FIRST = 2048  # sectors; where every partitioning tool of the last fifteen years starts the first partition
_BOOT_END = _FIRST + 400 * 2048 - 1  # mkfs.xfs makes nothing below 300 MiB
_ESP_END = _FIRST + 64 * 2048 - 1
_ESP_TYPE = "C12A7328-F81F-11D2-BA4B-00C04FC93EC9"
_MEMORY_MIB = 1024
_DISK = "/dev/sda"
_TREE = "tree"  # the label of the disk that is the tar file


def write_disk(path: Path, kind: Kind, tree: Path, *, log: Callable[[str], None]) -> str:
    """Make the raw disk `path` of this kind with the files of `tree` (a tar file) on it; the root's UUID."""
    with path.open("wb") as disk:
        disk.truncate(kind.size)
    g: Any = guestfs.GuestFS(python_return_dict=True)
    g.set_backend("direct")
    if accelerator() == "tcg":
        g.set_backend_setting("force_tcg", "1")
    g.set_memsize(_MEMORY_MIB)
    g.add_drive_opts(str(path), format="raw", cachemode="unsafe")
    g.add_drive_opts(str(tree), format="raw", readonly=True, label=_TREE)
    log(f"Making the disk of the guest {kind.name}")
    g.launch()
    try:
        root = _LAYOUTS[kind.layout](g)
        # As a disk, not through the daemon's channel: that takes three times as long under emulation.
        g.debug("sh", ["tar", "-xf", f"/dev/disk/guestfs/{_TREE}", "-C", "/sysroot"])
        uuid = str(g.vfs_uuid(root))
        if kind.firmware == "uefi":
            g.write("/boot/efi/EFI/debian/grub.cfg", kinds.esp_configuration(kind, uuid).encode())
        g.umount_all()
        g.shutdown()
    finally:
        g.close()
    return uuid


def _jfs(g: Any) -> str:
    g.part_init(_DISK, "mbr")
    g.part_add(_DISK, "p", _FIRST, -1)
    g.part_set_bootable(_DISK, 1, True)
    g.mkfs("jfs", "/dev/sda1")
    g.mount("/dev/sda1", "/")
    return "/dev/sda1"


def _xfs_on_lvm(g: Any) -> str:
    g.part_init(_DISK, "mbr")
    g.part_add(_DISK, "p", _FIRST, _BOOT_END)
    g.part_add(_DISK, "p", _BOOT_END + 1, -1)
    g.part_set_bootable(_DISK, 1, True)
    g.part_set_mbr_id(_DISK, 2, 0x8E)
    g.pvcreate("/dev/sda2")
    g.vgcreate("vg00", ["/dev/sda2"])
    g.lvcreate_free("root", "vg00", 100)
    for device in ("/dev/sda1", "/dev/vg00/root"):
        g.mkfs("xfs", device)
    g.mount("/dev/vg00/root", "/")
    g.mkdir("/boot")
    g.mount("/dev/sda1", "/boot")
    return "/dev/vg00/root"


def _ext4_on_lvm_in_luks(g: Any) -> str:
    g.part_init(_DISK, "mbr")
    g.part_add(_DISK, "p", _FIRST, _BOOT_END)
    g.part_add(_DISK, "p", _BOOT_END + 1, -1)
    g.part_set_bootable(_DISK, 1, True)
    g.luks_format("/dev/sda2", kinds.LUKS_KEY, 0)  # LUKS 2; cryptsetup fits its work to the emulated CPU
    g.cryptsetup_open("/dev/sda2", kinds.LUKS_KEY, "made")
    g.pvcreate("/dev/mapper/made")
    g.vgcreate("vg00", ["/dev/mapper/made"])
    g.lvcreate_free("root", "vg00", 100)
    for device in ("/dev/sda1", "/dev/vg00/root"):
        g.mkfs("ext4", device)
    g.mount("/dev/vg00/root", "/")
    g.mkdir("/boot")
    g.mount("/dev/sda1", "/boot")
    return "/dev/vg00/root"


def _btrfs_subvolumes(g: Any) -> str:
    g.part_init(_DISK, "gpt")
    g.part_add(_DISK, "p", _FIRST, _ESP_END)
    g.part_add(_DISK, "p", _ESP_END + 1, -_FIRST)
    g.part_set_gpt_type(_DISK, 1, _ESP_TYPE)
    g.mkfs("vfat", "/dev/sda1")
    g.mkfs("btrfs", "/dev/sda2")
    g.mount("/dev/sda2", "/")
    for name in ("/@", "/@home"):
        g.btrfs_subvolume_create(name)
    g.umount_all()
    g.mount_options("subvol=@", "/dev/sda2", "/")
    g.mkdir_p("/boot/efi")
    g.mount("/dev/sda1", "/boot/efi")
    g.mkdir_p("/boot/efi/EFI/debian")
    return "/dev/sda2"


_LAYOUTS: dict[str, Callable[[Any], str]] = {
    "jfs": _jfs,
    "xfs on lvm": _xfs_on_lvm,
    "btrfs subvolumes": _btrfs_subvolumes,
    "ext4 on lvm in luks": _ext4_on_lvm_in_luks,
}
