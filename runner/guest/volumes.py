"""The disks of a guest in libguestfs's appliance: partitions, volumes, file systems, and what may be asked of them.

`Appliance` is the door; this is the half of it that knows block devices.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from typing import Any

from runner.guest.doing import doing, last_words
from runner.guest.refusals import ConversionFailed, FileSystemDamaged, GuestProgramEndless
from runner.guest.storage.refusals import JournalLost
from runner.guest.time_limit import time_limit

# Each only looks; the journal was replayed before.
_CHECKS = {
    **dict.fromkeys(("ext2", "ext3", "ext4"), ("e2fsck", "-fn")),
    "xfs": ("xfs_repair", "-n"),
    "btrfs": ("btrfs", "check", "--readonly"),
    "jfs": ("jfs_fsck", "-f", "-n"),
}
_NOT_REPLAYED = "logredo failed"
_DISK_NAME = re.compile(r"/dev/sd([a-z]+)([0-9]*)")
_ARRAY_NAME = re.compile(r"(/dev/md[0-9]+)(?:p([0-9]+))?")
_REPLACED = re.compile(r"[^0-9A-Za-z#+\-.:=@_/]")  # by udev's string_escape=replace, in a link
_VOLUME_NAME = re.compile(r"/dev/([^/]+)/[^/]+")
# A header says how much work a key takes. cryptsetup makes it two seconds' worth of the machine that formats; an
# emulated CPU takes ten times as long for each of the eight key slots, and a hostile header any time.
_UNLOCK_SECONDS = 900.0
_WRONG_KEY = "exited with status 2"  # cryptsetup(8), RETURN CODES: no permission (bad passphrase)


class Volumes:
    """Block devices and file systems of an appliance; `_g` is libguestfs's handle, which has no types.

    `_qemu` is the process of its QEMU, `_mappings` the names under /dev/mapper of the LUKS volumes that are open.
    """

    _g: Any
    _qemu: int
    _mappings: list[str]

    def volumes(self) -> list[str]:
        """Every device that may hold a file system: partitions, whole disks without any, LVM, md and open LUKS ones."""
        with doing("looking for file systems"):
            partitions: list[str] = self._g.list_partitions()
            parents = {self._g.part_to_dev(p) for p in partitions}
            volumes = partitions + [d for d in self._g.list_devices() if d not in parents]
            kinds = {self.blkid(volume).get("TYPE", "") for volume in volumes}
            upper = [f"/dev/mapper/{name}" for name in self._mappings]
            if "linux_raid_member" in kinds:
                upper += self._g.list_md_devices()
            volumes += upper
            kinds |= {self.blkid(volume).get("TYPE", "") for volume in upper}
            if "LVM2_member" in kinds:
                volumes += self._g.lvs()
            return volumes

    def groups(self) -> list[str]:
        """The LVM volume groups."""
        with doing("looking for volume groups"):
            return sorted(self._g.vgs())

    def blkid(self, device: str) -> dict[str, str]:
        """What blkid says about a device; empty when it knows nothing in it."""
        try:
            return dict(self._g.blkid(device))
        except RuntimeError:
            return {}

    def place(self, device: str) -> tuple[int | None, int | None]:
        """(disk from 0, partition or 0) of a device; (None, None) for LVM and md."""
        # libguestfs names disks in the order in which they were added, so the name tells without four calls each.
        match = _DISK_NAME.fullmatch(device)
        if match is None:
            return None, None
        disk = 0
        for letter in match[1]:
            disk = disk * 26 + ord(letter) - ord("a") + 1
        return disk - 1, int(match[2] or 0)

    def links(self, device: str) -> tuple[str, ...]:
        """The names of an LVM or md volume that udev makes of its metadata; none for a partition or a disk.

        As 60-persistent-storage-dm.rules and 63-md-raid-arrays.rules make them on every machine: for none that is not
        active, as one whose group lacks a disk (`storage.health` refuses it by name).
        """
        names: list[str] = []
        try:
            if array := _ARRAY_NAME.fullmatch(device):
                told, part = self._g.md_detail(array[1]), f"-part{array[2]}" if array[2] else ""
                names = [f"md-{key}-{told[key]}{part}" for key in ("name", "uuid") if told.get(key)]
            elif volume := _VOLUME_NAME.fullmatch(device):
                uuids = self._g.vguuid(volume[1]) + self._g.lvuuid(device)
                names = [f"dm-uuid-LVM-{uuids.replace('-', '')}"]
        except RuntimeError:
            return ()
        return tuple("/dev/disk/by-id/" + _REPLACED.sub("_", name) for name in names)

    def unlock(self, device: str, keys: Sequence[str], name: str) -> str | None:
        """Open a LUKS volume as /dev/mapper/`name`, and the LVM volumes in it.

        None when a key fits, empty when none does, else what hindered cryptsetup. Raises `GuestProgramEndless`.
        """
        said = ""
        for key in keys:
            try:
                # The words name no key: errors are shown.
                with time_limit(self._qemu, f"cryptsetup on {device}", _UNLOCK_SECONDS), doing(f"unlocking {device}"):
                    self._g.cryptsetup_open(device, key, name)
            except GuestProgramEndless:
                raise
            except ConversionFailed as failed:
                said = said if _WRONG_KEY in failed.said else failed.said
                continue
            self._mappings.append(name)
            with doing(f"looking for volumes in {device}"):
                self._g.lvm_scan(True)
            return None
        return said

    def rename_mapping(self, name: str, to: str) -> None:
        """Give an open LUKS volume another name under /dev/mapper."""
        self.tool(["dmsetup", "rename", name, to])
        self._mappings[self._mappings.index(name)] = to

    def mapped_names(self) -> frozenset[str]:
        """Every name under /dev/mapper: open LUKS volumes, and those of LVM."""
        return frozenset(self.tool(["dmsetup", "info", "-c", "--noheadings", "-o", "name"]).split())

    def mappings_below(self, device: str) -> tuple[str, ...]:
        """The open LUKS volumes (as paths under /dev/mapper) that an LVM, md or LUKS volume is, or lies in."""
        told = self.tool(["lsblk", "-nsrpo", "NAME,TYPE", device])
        names = {line.partition(" ")[0] for line in told.splitlines() if line.endswith(" crypt")}
        return tuple(sorted(names & {f"/dev/mapper/{name}" for name in self._mappings}))

    def extent(self, device: str) -> tuple[int, int, int]:
        """(disk from 0, first byte, bytes) of a partition, or of a whole disk."""
        with doing(f"looking at {device}"):
            if device in self._g.list_devices():
                return int(self._g.device_index(device)), 0, int(self._g.blockdev_getsize64(device))
            parent, number = self._g.part_to_dev(device), self._g.part_to_partnum(device)
            part = next(one for one in self._g.part_list(parent) if one["part_num"] == number)
            return int(self._g.device_index(parent)), int(part["part_start"]), int(part["part_size"])

    def tool(self, argv: Sequence[str]) -> str:
        """Run one of the appliance's own programs; what it printed, 4 MB at most. For programs that only look."""
        with doing(f"running {argv[0]} in the appliance"):
            return str(self._g.debug("sh", [shlex.join(argv)]))

    def kernel(self) -> str:
        """The release of the appliance's kernel, which is this machine's."""
        with doing("looking at the appliance's kernel"):
            return str(self._g.utsname()["uts_release"])

    def bytes_of(self, device: str, offset: int, count: int) -> bytes:
        """`count` bytes of a device, fewer at its end."""
        with doing(f"reading {device}"):
            return bytes(self._g.pread_device(device, count, offset))

    def examine(self, member: str) -> str:
        """What mdadm reads in the superblock of an array's member."""
        return self.tool(["mdadm", "--examine", self._name(member)])

    def examine_ntfs(self, device: str) -> str:
        """What ntfs-3g.probe says of writing to a volume, its exit code, and what ntfsinfo reads in it, unmounted."""
        look = 'ntfs-3g.probe --readwrite "$0" 2>&1; echo "probe: $?"; ntfsinfo -f -m "$0" 2>&1; true'
        return self.tool(["sh", "-c", look, self._name(device)])

    def missing_volumes(self) -> list[tuple[str, int]]:
        """The volume groups, with how many physical volumes each lacks."""
        told = self.tool(["lvm", "vgs", "--noheadings", "--separator", ":", "-o", "vg_name,vg_missing_pv_count"])
        found = [line.strip().rpartition(":") for line in told.splitlines() if ":" in line]
        return [(group, int(missing)) for group, _, missing in found if missing.isdigit()]

    def replay_jfs(self, device: str) -> None:
        """Replay the log of a JFS file system, which no mount does. Raises `JournalLost`.

        jfsutils 1.1.15 fails on some logs that kernels of today write (updatePage, rc -274); with -p it would go on to
        repair, and what only the log holds would be lost without a word.
        """
        said = self.tool(["jfs_fsck", "--replay_journal_only", self._name(device)])
        if _NOT_REPLAYED in said:
            raise JournalLost(device, "jfs", next(line for line in said.splitlines() if _NOT_REPLAYED in line))

    def check_clean(self, device: str, kind: str) -> None:
        """Look through a file system without changing it. Raises `FileSystemDamaged`; unknown kinds pass."""
        try:
            if kind in _CHECKS:
                self._g.debug("sh", [*_CHECKS[kind], self._name(device)])
        except RuntimeError as error:
            raise FileSystemDamaged(device, last_words(str(error))) from error

    def _name(self, device: str) -> str:
        """The kernel's name: it may order disks in another way than libguestfs names them, and blkid knows it."""
        return self.blkid(device)["DEVNAME"]

    def mount(self, device: str, point: str, *, read_only: bool = False, options: str = "") -> None:
        """Mount a file system of the guest; the kernel replays its journal."""
        with doing(f"mounting {device}"):
            self._g.mount_options(",".join(filter(None, ("ro" if read_only else "", options))), device, point)

    def can_mount(self, device: str) -> bool:
        """Mount a file system read-only as the root, if it lets itself be mounted."""
        return not self.why_unmountable(device)

    def why_unmountable(self, device: str) -> str:
        """Mount a file system read-only as the root; empty when that went well, else what mount said."""
        try:
            self._g.mount_options("ro", device, "/")
        except RuntimeError as error:
            return last_words(str(error))
        return ""

    def subvolumes(self) -> list[str]:
        """The paths of the subvolumes of the Btrfs file system that is mounted as the root."""
        with doing("listing subvolumes"):
            return [str(each["btrfssubvolume_path"]) for each in self._g.btrfs_subvolume_list("/")]

    def unmount_all(self) -> None:
        """Unmount everything, so that all changes lie in the overlays."""
        with doing("unmounting"):
            self._g.umount_all()

    def space(self, point: str) -> tuple[int, int]:
        """(free, size) in bytes of a mounted file system."""
        with doing(f"looking at the space on {point}"):
            told = self._g.statvfs(point)
        return told["bavail"] * told["frsize"], told["blocks"] * told["frsize"]
