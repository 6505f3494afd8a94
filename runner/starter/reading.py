"""From the files a user names to a machine: an OVA or OVF, a VMX with its disks beside it, or bare disks."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import PurePosixPath
from typing import cast
from urllib.parse import unquote

from runner.aws.account import Account
from runner.blocks.ovf import OvfDescription, OvfDisk
from runner.blocks.package import describe_package
from runner.phases.look import NoDisks
from runner.phases.sources import open_file, open_place
from runner.starter.machine import FirmwareSaid, StarterDisk, StarterMachine, os_of
from runner.starter.vmx import MAX_VMX, VmxRefused, parse_vmx
from schemas.errors import Refused
from schemas.location import is_nbd
from schemas.spec import DiskFormat

_FORMATS: dict[str, DiskFormat] = {
    ".raw": "raw",
    ".img": "raw",
    ".vmdk": "vmdk",
    ".qcow2": "qcow2",
    ".vhd": "vhd",
    ".vhdx": "vhdx",
}
_PACKAGES: dict[str, DiskFormat] = {".ova": "ova", ".ovf": "ovf"}
_VMX = ".vmx"
_SECURE_BOOT = "Secure boot is on in the source; EC2 shells with it are refused: switch it off."


class NotAlone(Refused):
    """A description of a whole machine beside other files."""

    def __init__(self, location: str) -> None:
        super().__init__(
            f"{location} describes a whole machine, and is named with other files.",
            "Name it alone; a spec is of one machine.",
        )
        self.location = location


class DisksElsewhere(Refused):
    """A VMX whose disk has a path of another host."""

    def __init__(self, location: str, slot: str, file: str) -> None:
        super().__init__(
            f"{location}: the disk at {slot} is {file[:200]!r}, not beside it.",
            "Put all disks of the machine beside its .vmx, and name them there without a path.",
        )
        self.location = location
        self.slot = slot
        self.file = file


def read_machine(locations: Sequence[str], account: Account) -> StarterMachine:
    """The machine in these files; local disks are opened for their sizes.

    Raises `NotAlone`, `VmxRefused`, `DisksElsewhere`, and what `open_place` and `describe_package` raise.
    """
    described = [at for at in locations if _suffix(at) in (*_PACKAGES, _VMX)]
    if described and len(locations) > 1:
        raise NotAlone(described[0])
    if not described:
        disks = [_bare(at, account) for at in locations]
        name = PurePosixPath(locations[0].partition("?")[0]).stem
        return StarterMachine(name, _marked(disks, locations[0]))
    location = described[0]
    if _suffix(location) == _VMX:
        return _from_vmx(location, account)
    return _from_package(location, _PACKAGES[_suffix(location)], account)


def _from_package(location: str, format: DiskFormat, account: Account) -> StarterMachine:
    told = describe_package(open_file(location, account), format)
    notes = (
        ["Secure boot is on in the source; EC2 shells with it are refused: switch it off."] if told.secure_boot else []
    )
    notes += [
        f"The disk {disk.id} has no file: it is made blank at deployment." for disk in told.disks if not disk.file
    ]
    disks = [_packed(location, format, disk, account) for disk in told.disks if disk.file]
    if disks:
        disks[0] = replace(disks[0], boots=len(disks) == 1)
    return StarterMachine(
        name=told.name or PurePosixPath(location).stem,
        disks=_marked(disks, location),
        os=os_of(told.guest_id, told.guest_code),
        guest=told.guest_text or told.guest_id,
        firmware=_firmware(told),
        firmware_from="" if told.firmware else "the description does not say it, which VMware reads as BIOS",
        memory=told.memory,
        cpus=told.cpus,
        networks=tuple(", ".join(word for word in (n.name, n.model, n.mac) if word) for n in told.networks),
        notes=tuple(notes),
    )


def _firmware(told: OvfDescription) -> FirmwareSaid:
    return "uefi" if told.firmware == "efi" else "bios"


def _packed(location: str, format: DiskFormat, disk: OvfDisk, account: Account) -> StarterDisk:
    assert disk.file is not None
    at = disk.attachment
    numbers = f"{at.bus if at.bus >= 0 else '?'}:{at.place if at.place >= 0 else '?'}"
    attached = f"{at.controller}{numbers} {at.model}".strip() if at.controller else ""
    name = unquote(disk.file.name)
    size = disk.capacity or _size(location, format, name, account)
    return StarterDisk(location, format, name, size, attached)


def _from_vmx(location: str, account: Account) -> StarterMachine:
    with closing(open_file(location, account)) as file:
        if file.size > MAX_VMX:
            raise VmxRefused(location, 0, f"it has {file.size} bytes, {MAX_VMX} are allowed")
        data = bytearray(file.size)
        file.read_into(0, memoryview(data))
    told = parse_vmx(bytes(data), location)
    disks = []
    for disk in told.disks:
        if "/" in disk.file or "\\" in disk.file or not disk.file.isprintable():
            raise DisksElsewhere(location, disk.slot, disk.file)
        beside = os.path.join(os.path.dirname(location), disk.file)
        attached = f"{disk.slot} {disk.model} {disk.mode}".strip()
        disks.append(StarterDisk(beside, "vmdk", size=_size(beside, "vmdk", "", account), attached=attached))
    return StarterMachine(
        name=told.name or PurePosixPath(location).stem,
        disks=_marked(disks, location),
        os=os_of(told.guest_id),
        guest=told.guest_id,
        firmware=cast(FirmwareSaid, told.firmware or "bios"),
        firmware_from="" if told.firmware else "the VMX does not say it, which VMware reads as BIOS",
        memory=told.memory,
        cpus=told.cpus,
        networks=told.networks,
        notes=(_SECURE_BOOT,) if told.secure_boot else (),
    )


def _marked(disks: Sequence[StarterDisk], location: str) -> tuple[StarterDisk, ...]:
    """The disks; a machine's only one is the one that boots. Raises `NoDisks`."""
    if not disks:
        raise NoDisks(location)
    return (replace(disks[0], boots=len(disks) == 1), *disks[1:])


def _bare(location: str, account: Account) -> StarterDisk:
    known = is_nbd(location) or _suffix(location) in _FORMATS
    format: DiskFormat = "raw" if is_nbd(location) else _FORMATS.get(_suffix(location), "raw")
    return StarterDisk(location, format, size=_size(location, format, "", account), format_known=known)


def _size(location: str, format: str, member: str, account: Account) -> int:
    with closing(open_place(location, format, member, account)) as source:
        return source.size


def _suffix(location: str) -> str:
    return "" if is_nbd(location) else os.path.splitext(location)[1].lower()
