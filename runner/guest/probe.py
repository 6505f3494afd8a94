"""Reading a guest: which system it is, where it lies, and the few dozen files that decide whether it boots."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from runner.guest import reading_list, support
from runner.guest.appliance import Appliance
from runner.guest.boot import default, efi
from runner.guest.facts import FileSystem, Firmware, GuestFacts, LuksVolume, SymbolicLink, TextFile
from runner.guest.kernels import kernels
from runner.guest.refusals import ConfigurationTooBig
from runner.guest.storage import health, system
from runner.guest.storage import luks as luks_storage
from runner.guest.windows import probe as windows

_EFI_PARTITION = ("c12a7328-f81f-11d2-ba4b-00c04fc93ec9", "0xef")
_BIOS_BOOT_PARTITION = "21686148-6449-6e6f-744e-656564454649"
# All that is read goes through a pipe as JSON, six bytes for one at worst, of which 64 MiB are taken. A guest with
# everything that is looked for, and dozens of kernels, has a few hundred files and less than 1 MiB.
FILES_MOST = 2_000
BYTES_MOST = 8 * 1024 * 1024


def probe(appliance: Appliance, disks: int, boot_disk: int, luks_keys: Sequence[str] = ()) -> GuestFacts:
    """The facts of the guest; its file systems are mounted afterwards, read-write, and were clean before.

    `luks_keys` are passphrases that are tried on its LUKS volumes.

    Raises `FileSystemDamaged`, what `read` raises, and what `storage.health` finds unfit to be mounted.
    """
    file_systems, firmwares, tables = _file_systems(appliance, disks, boot_disk)
    luks: tuple[LuksVolume, ...] = ()
    if luks_keys:
        file_systems, luks = luks_storage.unlock(
            appliance, file_systems, luks_keys, lambda device: _file_system(appliance, device, appliance.blkid(device))
        )
    health.check_volumes(appliance, file_systems)
    lvm = any(fs.type == "LVM2_member" for fs in file_systems)
    groups = tuple(appliance.groups()) if lvm else ()
    facts = GuestFacts("unknown", "", "", "unknown", firmwares, "", disks, file_systems, (), (), (), (), tables, groups)
    facts = replace(facts, luks=luks, keys=len(luks_keys))
    found = system.find(appliance, file_systems, boot_disk)
    is_windows = found is not None and found.kind == "windows"
    if found is None or is_windows and found.at.disk != boot_disk:
        # An old Windows on a data disk is not the one that boots from an encrypted or a dynamic disk.
        traces = windows.traces(appliance, file_systems, boot_disk)
        if traces is not None:
            return replace(facts, os="windows", product="Windows", windows=traces)
    if found is None:
        return facts
    facts, found = luks_storage.named_as_by_guest(appliance, facts, found)
    facts = replace(facts, os=found.kind, root=found.at.device, product="Windows" if is_windows else "Linux")
    if is_windows:
        return windows.probe(appliance, facts, found.at, boot_disk)
    facts = replace(facts, mounts=system.mount(appliance, found, facts))
    files, paths = read(appliance)
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
        disk, _ = appliance.place(device)
        if disk == boot_disk:
            part_types.add(told.get("PART_ENTRY_TYPE", ""))
        if disk is not None and told.get("PART_ENTRY_SCHEME"):
            schemes[disk] = told["PART_ENTRY_SCHEME"]
        found.append(_file_system(appliance, device, told))
    firmwares: list[Firmware] = []
    if schemes[boot_disk] != "gpt" or _BIOS_BOOT_PARTITION in part_types:
        firmwares.append("bios")
    if part_types & set(_EFI_PARTITION):
        firmwares.append("uefi")
    return tuple(found), tuple(firmwares), tuple(schemes.values())


def _file_system(appliance: Appliance, device: str, told: dict[str, str]) -> FileSystem:
    kind, uuid, label, part_uuid = (told.get(key, "") for key in ("TYPE", "UUID", "LABEL", "PART_ENTRY_UUID"))
    part_label = told.get("PART_ENTRY_NAME", "")
    disk, partition = appliance.place(device)
    return FileSystem(device, kind, uuid, label, part_uuid, disk, partition, part_label, appliance.links(device))


def _links(appliance: Appliance) -> tuple[SymbolicLink, ...]:
    found = ((path, appliance.link(path)) for path in reading_list.LINKS)
    return tuple(SymbolicLink(path, target) for path, target in found if target is not None)


def read(appliance: Appliance) -> tuple[tuple[TextFile, ...], tuple[str, ...]]:
    """The configuration files, and the asked-for paths that exist. Raises `FileTooBig` and `ConfigurationTooBig`."""
    vendors = [f"{efi.EFI}/{name}" for name in appliance.names(efi.EFI)]
    wanted = [*reading_list.FILES]
    loaders: list[str] = []
    _check_sum(len(vendors), 0)
    for directory, pattern in (*reading_list.DIRECTORIES, *((vendor, efi.READ) for vendor in vendors)):
        wanted += [f"{directory}/{name}" for name in appliance.names(directory) if re.fullmatch(pattern, name)]
        _check_sum(len(wanted), 0)
    for at in vendors:
        loaders += [f"{at}/{name}" for name in appliance.names(at) if re.fullmatch(efi.LOOKED_FOR, name)]
        _check_sum(len(wanted) + len(loaders), 0)
    files, size = [], 0
    for path in wanted:
        text = appliance.read(path)
        if text is not None:
            files.append(TextFile(path, text))
            size += len(text.encode("utf-8", "surrogateescape"))
            _check_sum(len(wanted), size)
    return tuple(files), (*(path for path in reading_list.PATHS if appliance.exists(path)), *loaders)


def _check_sum(files: int, size: int) -> None:
    if files > FILES_MOST or size > BYTES_MOST:
        raise ConfigurationTooBig(files, size, FILES_MOST, BYTES_MOST)
