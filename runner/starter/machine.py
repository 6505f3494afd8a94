"""What a starter spec is written from: a machine as far as its files tell."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from schemas.spec import DiskFormat

Os = Literal["linux", "windows", ""]
FirmwareSaid = Literal["bios", "uefi", ""]

# VMware's guest ids (VirtualMachineGuestOsIdentifier of the vSphere API, and those of a VMX) begin with these words.
_WINDOWS = ("win", "longhorn", "whistler")
_LINUX = (
    *(
        "debian",
        "ubuntu",
        "rhel",
        "redhat",
        "centos",
        "oraclelinux",
        "rockylinux",
        "almalinux",
        "fedora",
        "sles",
        "suse",
    ),
    *(
        "opensuse",
        "amazonlinux",
        "coreos",
        "vmwarephoton",
        "asianux",
        "mandr",
        "genericlinux",
        "turbolinux",
        "nld9",
        "oes",
        "sjds",
    ),
    *("other24xlinux", "other26xlinux", "other3xlinux", "other4xlinux", "other5xlinux", "other6xlinux", "otherlinux"),
)
# CIM_OperatingSystem.OSType of DMTF, as OVF states it: Linux and its distributions, and Windows' versions.
# Left out: 78 and 81 are FreeBSD's and Solaris', 102 and 104 other systems and ESXi.
_LINUX_CODES = frozenset((36, 79, 80, *range(82, 102), 106, 107, 108, 109))
_WINDOWS_CODES = frozenset((18, 58, 67, *range(69, 78), 103, 105, *range(111, 117)))


@dataclass(frozen=True)
class StarterDisk:
    """A disk: where it is (a path beside the files, absolute, or a URI), its format, its file name in a package.

    `size` in bytes, 0 if nobody knows. `attached` says in words where it hangs. `boots` is False if nobody knows.
    """

    location: str
    format: DiskFormat
    member: str = ""
    size: int = 0
    attached: str = ""
    boots: bool = False
    format_known: bool = True


@dataclass(frozen=True)
class StarterMachine:
    """A machine; what is not known is "", 0 or empty. `memory` in bytes, `networks` in words, `notes` as sentences.

    `firmware_from` says where the firmware comes from if the files do not say it outright.
    """

    name: str
    disks: tuple[StarterDisk, ...]
    os: Os = ""
    guest: str = ""
    firmware: FirmwareSaid = ""
    firmware_from: str = ""
    memory: int = 0
    cpus: int = 0
    networks: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def os_of(guest_id: str, code: int = 0) -> Os:
    """The operating system that a VMware guest id, or else CIM's number, stands for; "" if neither says it."""
    word = re.sub(r"[^a-z0-9]", "", guest_id.lower())
    if word.startswith(_WINDOWS) or code in _WINDOWS_CODES:
        return "windows"
    if word.startswith(_LINUX) or code in _LINUX_CODES:
        return "linux"
    return ""
