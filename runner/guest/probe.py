"""Reading a guest: which system it is, where it lies, and the few dozen files that decide whether it boots."""

from __future__ import annotations

import re
from dataclasses import replace

from runner.guest import reading_list, support
from runner.guest.appliance import Appliance
from runner.guest.boot import default, efi
from runner.guest.facts import FileSystem, Firmware, GuestFacts, SymbolicLink, TextFile
from runner.guest.kernels import kernels
from runner.guest.storage import health, system
from runner.guest.windows import probe as windows

_EFI_PARTITION = ("c12a7328-f81f-11d2-ba4b-00c04fc93ec9", "0xef")
_BIOS_BOOT_PARTITION = "21686148-6449-6e6f-744e-656564454649"


def probe(appliance: Appliance, disks: int, boot_disk: int) -> GuestFacts:
    """The facts of the guest; its file systems are mounted afterwards, read-write, and were clean before.

    Raises `FileSystemDamaged`, `FileTooBig`, and what `storage.health` finds unfit to be mounted.
    """
    file_systems, firmwares, tables = _file_systems(appliance, disks, boot_disk)
    health.check_volumes(appliance, file_systems)
    lvm = any(fs.type == "LVM2_member" for fs in file_systems)
    groups = tuple(appliance.groups()) if lvm else ()
    facts = GuestFacts("unknown", "", "", "unknown", firmwares, "", disks, file_systems, (), (), (), (), tables, groups)
    found = system.find(appliance, file_systems, boot_disk)
    is_windows = found is not None and found.kind == "windows"
    if found is None or is_windows and found.at.disk != boot_disk:
        # An old Windows on a data disk is not the one that boots from an encrypted or a dynamic disk.
        traces = windows.traces(appliance, file_systems, boot_disk)
        if traces is not None:
            return replace(facts, os="windows", product="Windows", windows=traces)
    if found is None:
        return facts
    facts = replace(facts, os=found.kind, root=found.at.device, product="Windows" if is_windows else "Linux")
    if is_windows:
        return windows.probe(appliance, facts, found.at, boot_disk)
    facts = replace(facts, mounts=system.mount(appliance, found, facts))
    files, paths = _read(appliance)
    facts = replace(facts, files=files, paths=paths, links=_links(appliance))
    release = support.release(files)
    return replace(
        facts,
        distribution=release.id,
        version=release.version,
        product=release.product,
        kernels=default.marked(kernels(appliance), facts),
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
        part_label, links = told.get("PART_ENTRY_NAME", ""), appliance.links(device)
        found.append(FileSystem(device, kind, uuid, label, part_uuid, disk, partition, part_label, links))
    firmwares: list[Firmware] = []
    if schemes[boot_disk] != "gpt" or _BIOS_BOOT_PARTITION in part_types:
        firmwares.append("bios")
    if part_types & set(_EFI_PARTITION):
        firmwares.append("uefi")
    return tuple(found), tuple(firmwares), tuple(schemes.values())


def _links(appliance: Appliance) -> tuple[SymbolicLink, ...]:
    found = ((path, appliance.link(path)) for path in reading_list.LINKS)
    return tuple(SymbolicLink(path, target) for path, target in found if target is not None)


def _read(appliance: Appliance) -> tuple[tuple[TextFile, ...], tuple[str, ...]]:
    vendors = [f"{efi.EFI}/{name}" for name in appliance.names(efi.EFI)]
    wanted = [*reading_list.FILES]
    for directory, pattern in (*reading_list.DIRECTORIES, *((vendor, efi.READ) for vendor in vendors)):
        wanted += [f"{directory}/{name}" for name in appliance.names(directory) if re.fullmatch(pattern, name)]
    texts = [(path, appliance.read(path)) for path in wanted]
    files = tuple(TextFile(path, text) for path, text in texts if text is not None)
    loaders = [f"{at}/{name}" for at in vendors for name in appliance.names(at) if re.fullmatch(efi.LOOKED_FOR, name)]
    return files, (*(path for path in reading_list.PATHS if appliance.exists(path)), *loaders)
