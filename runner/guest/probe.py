"""Reading a guest: which system it is, where it lies, and the few dozen files that decide whether it boots."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Literal

from runner.guest import devices, fstab, reading_list, support
from runner.guest.appliance import Appliance
from runner.guest.facts import FileSystem, Firmware, GuestFacts, Mount, SymbolicLink, TextFile
from runner.guest.kernels import kernels

_LINUX_TYPES = ("ext2", "ext3", "ext4", "xfs", "btrfs", "jfs", "reiserfs")
_LINUX_SIGNS = ("/etc/os-release", "/etc/debian_version", "/etc/redhat-release", "/etc/SuSE-release")
_WINDOWS_SIGN = "/Windows/System32"
# File systems that conversion may write to, in the order in which they are mounted.
_SYSTEM_MOUNTS = ("/usr", "/var", "/boot", "/boot/efi")
_EFI_PARTITION = ("c12a7328-f81f-11d2-ba4b-00c04fc93ec9", "0xef")
_BIOS_BOOT_PARTITION = "21686148-6449-6e6f-744e-656564454649"


def probe(appliance: Appliance, disks: int, boot_disk: int) -> GuestFacts:
    """The facts of the guest; its file systems are mounted afterwards, read-write, and were clean before.

    Raises `FileSystemDamaged` and `FileTooBig`.
    """
    file_systems, firmwares, tables = _file_systems(appliance, disks, boot_disk)
    lvm = any(fs.type == "LVM2_member" for fs in file_systems)
    groups = tuple(appliance.groups()) if lvm else ()
    facts = GuestFacts("unknown", "", "", "unknown", firmwares, "", disks, file_systems, (), (), (), (), tables, groups)
    found = _find_system(appliance, file_systems, boot_disk)
    if found is None:
        return facts
    kind, root = found
    facts = replace(facts, os=kind, root=root.device, product="Windows" if kind == "windows" else "Linux")
    if kind == "windows":
        return facts
    facts = replace(facts, mounts=_mount(appliance, root, facts))
    files, paths = _read(appliance)
    facts = replace(facts, files=files, paths=paths, links=_links(appliance))
    release = support.release(files)
    return replace(
        facts,
        distribution=release.id,
        version=release.version,
        product=release.product,
        kernels=kernels(appliance),
    )


def _file_systems(
    appliance: Appliance, disks: int, boot_disk: int
) -> tuple[tuple[FileSystem, ...], tuple[Firmware, ...], tuple[str, ...]]:
    """The file systems, the firmwares that the boot disk is laid out for, and each disk's kind of partition table."""
    found = []
    part_types: set[str] = set()
    schemes = dict.fromkeys(range(disks), "")
    for device in appliance.volumes():
        told = appliance.blkid(device)
        disk, partition = appliance.place(device)
        if disk == boot_disk:
            part_types.add(told.get("PART_ENTRY_TYPE", ""))
        if disk is not None and told.get("PART_ENTRY_SCHEME"):
            schemes[disk] = told["PART_ENTRY_SCHEME"]
        kind, uuid, label, part_uuid = (told.get(key, "") for key in ("TYPE", "UUID", "LABEL", "PART_ENTRY_UUID"))
        found.append(FileSystem(device, kind, uuid, label, part_uuid, disk, partition))
    firmwares: list[Firmware] = []
    if schemes[boot_disk] != "gpt" or _BIOS_BOOT_PARTITION in part_types:
        firmwares.append("bios")
    if part_types & set(_EFI_PARTITION):
        firmwares.append("uefi")
    return tuple(found), tuple(firmwares), tuple(schemes.values())


def _find_system(
    appliance: Appliance, file_systems: tuple[FileSystem, ...], boot_disk: int
) -> tuple[Literal["linux", "windows"], FileSystem] | None:
    """The file system with the guest's system on it; the boot disk is looked at first."""
    for fs in sorted(file_systems, key=lambda fs: fs.disk not in (boot_disk, None)):
        if fs.type not in (*_LINUX_TYPES, "ntfs") or not appliance.can_mount(fs.device):
            continue
        linux = appliance.exists(fstab.PATH) and any(appliance.exists(sign) for sign in _LINUX_SIGNS)
        windows = fs.type == "ntfs" and appliance.exists(_WINDOWS_SIGN)
        appliance.unmount_all()
        if linux or windows:
            return ("linux" if linux else "windows"), fs
    return None


def _mount(appliance: Appliance, root: FileSystem, facts: GuestFacts) -> tuple[Mount, ...]:
    """Check and mount the guest's own file systems. The first mount, read-only, has replayed their journals."""
    appliance.mount(root.device, "/", read_only=True)
    table = {entry.point: entry.device for entry in fstab.entries(appliance.read(fstab.PATH) or "")}
    found = {"/": root}
    for point in _SYSTEM_MOUNTS:
        if point in table and devices.is_known(table[point], facts):
            found[point] = devices.find(table[point], facts)
    appliance.unmount_all()
    mounts = []
    for point, fs in found.items():
        if point != "/":
            # Alone and read-only first: that replays its journal, without which it would look damaged.
            appliance.can_mount(fs.device)
            appliance.unmount_all()
        appliance.check_clean(fs.device, fs.type)
    for point, fs in found.items():
        appliance.mount(fs.device, point)
        free, size = appliance.space(point)
        mounts.append(Mount(point, fs.device, free, size))
    return tuple(mounts)


def _links(appliance: Appliance) -> tuple[SymbolicLink, ...]:
    found = ((path, appliance.link(path)) for path in reading_list.LINKS)
    return tuple(SymbolicLink(path, target) for path, target in found if target is not None)


def _read(appliance: Appliance) -> tuple[tuple[TextFile, ...], tuple[str, ...]]:
    wanted = [*reading_list.FILES]
    for directory, pattern in reading_list.DIRECTORIES:
        wanted += [f"{directory}/{name}" for name in appliance.names(directory) if re.fullmatch(pattern, name)]
    texts = [(path, appliance.read(path)) for path in wanted]
    files = tuple(TextFile(path, text) for path, text in texts if text is not None)
    return files, tuple(path for path in reading_list.PATHS if appliance.exists(path))
