"""Device names that VMware's controllers gave, and the file systems they meant. Pure.

`/dev/sdb1` is the second disk's first partition only while the kernel finds the disks in that order; the spec lists
them in the guest's order. EC2's NVMe disks have other names, so every such name becomes a UUID.
"""

from __future__ import annotations

import re
from functools import lru_cache

from runner.guest.facts import FileSystem, GuestFacts

# At most 9 digits: a guest may write as many as it likes, and more than 4,300 are no number to Python.
_KERNEL_NAME = re.compile(r"/dev/(?:sd|hd|vd|xvd)([a-z]{1,2})([0-9]{0,9})\Z")
_NVME_NAME = re.compile(r"/dev/nvme([0-9]{1,9})n([0-9]{1,9})(?:p([0-9]{1,9}))?\Z")
# The kernel's admin-guide/devices.txt: Compaq's arrays, cXdY for disk Y of controller X, pZ its partition.
_ARRAY_NAME = re.compile(r"/dev/(?:cciss|ida)/c([0-9]{1,9})d([0-9]{1,9})(?:p([0-9]{1,9}))?\Z")
_BY_PATH = re.compile(
    r"/dev/disk/by-path/(\S{1,99}?)-(?:scsi|sas)-[0-9]+:[0-9]+:([0-9]{1,9}):[0-9]+(?:-part([0-9]{1,9}))?\Z"
)
_BY_PATH_CONTROLLER = re.compile(r"/dev/disk/by-path/(\S{1,99}?)-(?:scsi|sas)-")
_BY_ID = re.compile(r"/dev/disk/by-(?:id|path)/\S+?(?:-part([0-9]{1,9}))?\Z")
# 60-persistent-storage-dm.rules and 63-md-raid-arrays.rules: these come from the volume's own metadata.
_BY_METADATA = re.compile(r"/dev/disk/by-id/(?:dm-name|dm-uuid|lvm-pv-uuid|md-name|md-uuid)-(\S+)\Z")
_ARRAY = re.compile(r"/dev/md\S*?(?:(?<=[0-9])(p[0-9]{1,9}))?\Z")
_BY_TAG = re.compile(r"/dev/disk/by-(uuid|label|partuuid|partlabel)/(\S+)\Z")
_TAG = re.compile(r"(UUID|LABEL|PARTUUID|PARTLABEL)=(\S+)\Z")
_CONTROLLER_TARGET = 7  # a SCSI controller's own id: VMware gives no disk this number
_TABLES = ("/etc/fstab", "/etc/crypttab")


class Unmatched(Exception):
    """A device name that means no file system of this guest, or more than one; its text says which."""


def is_device(name: str) -> bool:
    """Whether a word of fstab names a block device, by its node or by a tag; else it is a file, a share, a word."""
    return name.startswith("/dev/") or bool(_TAG.match(name.replace('"', "")))


def is_unstable(name: str) -> bool:
    """Whether a device name depends on the controller: kernel names, by-path and by-id links."""
    if _BY_TAG.match(name) or _BY_METADATA.match(name):
        return False
    return any(pattern.match(name) for pattern in (_KERNEL_NAME, _NVME_NAME, _ARRAY_NAME, _BY_ID))


def find(name: str, facts: GuestFacts) -> FileSystem:
    """The file system that a name in fstab or on a kernel command line means. Raises `Unmatched`."""
    tag = _TAG.match(name.replace('"', ""))
    by_tag = _BY_TAG.match(name)
    if tag or by_tag:
        kind, value = tag.groups() if tag else (by_tag[1].upper(), by_tag[2]) if by_tag else ("", "")
        return _only([fs for fs in facts.file_systems if _is_tagged(fs, kind, value)], f"{kind} {value}", facts)
    place = _place(name, facts)
    if place is None:
        return _only(_of_volume(name, facts), name, facts)
    disk, partition = place
    return _only(
        [fs for fs in facts.file_systems if (fs.disk, fs.partition) == (disk, partition)],
        f"partition {partition} on disk {disk + 1}" if partition else f"disk {disk + 1}",
        facts,
    )


def is_known(name: str, facts: GuestFacts) -> bool:
    """Whether a name means exactly one file system of this guest."""
    try:
        find(name, facts)
    except Unmatched:
        return False
    return True


def stable_name(name: str, facts: GuestFacts) -> str:
    """`UUID=...` of the file system that `name` means. Raises `Unmatched`, also when two disks share that UUID."""
    found = find(name, facts)
    if not found.uuid:
        raise Unmatched(f"the {found.type or 'unknown data'} on it has no UUID")
    _only([fs for fs in facts.file_systems if fs.uuid == found.uuid], f"UUID {found.uuid}", facts)
    return f"UUID={found.uuid}"


def lvm_name(name: str) -> str:
    """`/dev/mapper/vg-lv--x` as `/dev/vg/lv-x`; other names as they are."""
    if not name.startswith("/dev/mapper/"):
        return name
    group, _, volume = name.removeprefix("/dev/mapper/").replace("--", "\0").partition("-")
    return f"/dev/{group}/{volume}".replace("\0", "-") if volume else name


def _of_volume(name: str, facts: GuestFacts) -> list[FileSystem]:
    """LVM and md volumes, whose names are the same on every controller."""
    linked = name.removeprefix("/dev/disk/by-id/dm-name-")
    device = lvm_name(f"/dev/mapper/{linked}" if linked != name else name)
    mapped = f"/dev/mapper/{linked}" if linked != name else name  # a LUKS volume's, which may have dashes as well
    found = [fs for fs in facts.file_systems if fs.device in (device, mapped) or name in fs.links]
    if not found and (meant := _ARRAY.match(name)):
        # The appliance may number an array otherwise (/dev/md127); where there is but one, it is that.
        arrays = [(fs, _ARRAY.match(fs.device)) for fs in facts.file_systems]
        found = [fs for fs, array in arrays if array and array[1] == meant[1]]
    return found


def _place(name: str, facts: GuestFacts) -> tuple[int, int] | None:
    """(disk from 0, partition or 0) of a controller's name; None when it is of another kind."""
    if kernel := _KERNEL_NAME.match(name):
        letters, digits = kernel.groups()
        number = 0
        for letter in letters:
            number = number * 26 + ord(letter) - ord("a") + 1
        return number - 1, int(digits or 0)
    if nvme := _NVME_NAME.match(name):
        return _numbered("NVMe", int(nvme[1]), int(nvme[2]) - 1), int(nvme[3] or 0)
    if array := _ARRAY_NAME.match(name):
        return _numbered("array", int(array[1]), int(array[2])), int(array[3] or 0)
    if _BY_TAG.match(name) or _BY_METADATA.match(name):
        return None
    linked = _BY_ID.match(name)
    if linked and facts.disks == 1:
        return 0, int(linked[1] or 0)
    if path := _BY_PATH.match(name):
        controllers = {path[1]}.union(*(_controllers(facts.text(table) or "") for table in _TABLES))
        if len(controllers) > 1:
            raise Unmatched(f"there are disks on {len(controllers)} controllers")
        target = int(path[2])
        return target - (target > _CONTROLLER_TARGET), int(path[3] or 0)
    if linked:
        raise Unmatched("it names a virtual disk by an id that the disk files do not hold")
    return None


@lru_cache(maxsize=4)
def _controllers(text: str) -> frozenset[str]:
    """The controllers that by-path names in a file name. Kept: it is asked for every such name of the same file."""
    return frozenset(_BY_PATH_CONTROLLER.findall(text))


def _numbered(kind: str, controller: int, number: int) -> int:
    """The disk, where each controller has one disk (as EC2 has it) or the first has them all (as VMware has it)."""
    if controller and number:
        raise Unmatched(f"it is a disk of several on {kind} controller {controller + 1}")
    return controller or number


def _is_tagged(fs: FileSystem, kind: str, value: str) -> bool:
    if kind in ("LABEL", "PARTLABEL"):
        # fstab(5) writes a space as \040, udev's links as \x20, and the appliance's blkid puts a backslash before it.
        spelt = value.replace(r"\040", " ").replace(r"\x20", " ")
        return {"LABEL": fs.label, "PARTLABEL": fs.part_label}[kind].replace("\\ ", " ") == spelt
    return {"UUID": fs.uuid, "PARTUUID": fs.part_uuid}[kind].lower() == value.lower()


def _only(found: list[FileSystem], what: str, facts: GuestFacts) -> FileSystem:
    if not found:
        raise Unmatched(f"there is no {what}")
    if len(found) > 1 and not _is_one_btrfs(found):
        raise Unmatched(f"there are {len(found)} file systems with {what}")
    return next((fs for fs in found if fs.device == facts.root), found[0])


def _is_one_btrfs(found: list[FileSystem]) -> bool:
    """The devices of one Btrfs all carry its UUID, and any of them mounts it."""
    return {fs.type for fs in found} == {"btrfs"} and len({fs.uuid for fs in found}) == 1
