"""Device names that VMware's controllers gave, and the file systems they meant. Pure.

`/dev/sdb1` is the second disk's first partition only while the kernel finds the disks in that order; the spec lists
them in the guest's order. EC2's NVMe disks have other names, so every such name becomes a UUID.
"""

from __future__ import annotations

import re

from runner.guest.facts import FileSystem, GuestFacts

_KERNEL_NAME = re.compile(r"/dev/(?:sd|hd|vd|xvd)([a-z]{1,2})([0-9]*)\Z")
_NVME_NAME = re.compile(r"/dev/nvme([0-9]+)n1(?:p([0-9]+))?\Z")
_BY_PATH = re.compile(r"/dev/disk/by-path/\S*?-(?:scsi|sas)-[0-9]+:[0-9]+:([0-9]+):[0-9]+(?:-part([0-9]+))?\Z")
_BY_ID = re.compile(r"/dev/disk/by-(?:id|path)/\S+?(?:-part([0-9]+))?\Z")
_BY_TAG = re.compile(r"/dev/disk/by-(uuid|label|partuuid)/(\S+)\Z")
_TAG = re.compile(r"(UUID|LABEL|PARTUUID)=(\S+)\Z")
_CONTROLLER_TARGET = 7  # a SCSI controller's own id: VMware gives no disk this number


class Unmatched(Exception):
    """A device name that means no file system of this guest, or more than one; its text says which."""


def is_unstable(name: str) -> bool:
    """Whether a device name depends on the controller: kernel names, by-path and by-id links."""
    return any(pattern.match(name) for pattern in (_KERNEL_NAME, _NVME_NAME, _BY_ID)) and not _BY_TAG.match(name)


def find(name: str, facts: GuestFacts) -> FileSystem:
    """The file system that a name in fstab or on a kernel command line means. Raises `Unmatched`."""
    tag = _TAG.match(name.replace('"', ""))
    by_tag = _BY_TAG.match(name)
    if tag or by_tag:
        kind, value = tag.groups() if tag else (by_tag[1].upper(), by_tag[2]) if by_tag else ("", "")
        return _only([fs for fs in facts.file_systems if _tag_of(fs, kind) == value.lower()], f"{kind} {value}")
    place = _place(name, facts)
    if place is None:  # LVM and md names are the same on every controller
        return _only([fs for fs in facts.file_systems if fs.device == lvm_name(name)], name)
    disk, partition = place
    return _only(
        [fs for fs in facts.file_systems if (fs.disk, fs.partition) == (disk, partition)],
        f"partition {partition} on disk {disk + 1}" if partition else f"disk {disk + 1}",
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
    _only([fs for fs in facts.file_systems if fs.uuid == found.uuid], f"UUID {found.uuid}")
    return f"UUID={found.uuid}"


def lvm_name(name: str) -> str:
    """`/dev/mapper/vg-lv--x` as `/dev/vg/lv-x`; other names as they are."""
    if not name.startswith("/dev/mapper/"):
        return name
    group, _, volume = name.removeprefix("/dev/mapper/").replace("--", "\0").partition("-")
    return f"/dev/{group}/{volume}".replace("\0", "-") if volume else name


def _place(name: str, facts: GuestFacts) -> tuple[int, int] | None:
    """(disk from 0, partition or 0) of a controller's name; None when it is of another kind."""
    if kernel := _KERNEL_NAME.match(name):
        letters, digits = kernel.groups()
        number = 0
        for letter in letters:
            number = number * 26 + ord(letter) - ord("a") + 1
        return number - 1, int(digits or 0)
    if nvme := _NVME_NAME.match(name):
        return int(nvme[1]), int(nvme[2] or 0)
    linked = _BY_ID.match(name)
    if linked and facts.disks == 1:
        return 0, int(linked[1] or 0)
    if path := _BY_PATH.match(name):
        target = int(path[1])
        return target - (target > _CONTROLLER_TARGET), int(path[2] or 0)
    if linked:
        raise Unmatched("it names a virtual disk by an id that the disk files do not hold")
    return None


def _tag_of(fs: FileSystem, kind: str) -> str:
    value = {"UUID": fs.uuid, "LABEL": fs.label, "PARTUUID": fs.part_uuid}[kind]
    return value.lower()


def _only(found: list[FileSystem], what: str) -> FileSystem:
    if not found:
        raise Unmatched(f"there is no {what}")
    if len(found) > 1:
        raise Unmatched(f"there are {len(found)} file systems with {what}")
    return found[0]
