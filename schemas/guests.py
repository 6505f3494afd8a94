"""The support matrix: which guests hotadd makes bootable on EC2. The data stand in guests.json, their schema beside it.

docs/guests.md shows the same as a table, made from this by `make guests-page`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

from schemas.document import read_document

Boots = Literal["yes", "by kernel", "no"]
NetworkSystem = Literal["ifcfg", "ifupdown", "netplan", "networkd", "networkmanager", "wicked"]


@dataclass(frozen=True)
class LinuxRow:
    """A Linux release. `distributions` and `versions` are os-release's ID and VERSION_ID (or its start, up to a dot).

    `kernel` is what the release came with; `nitro` and `xen` what that one can. A guest's own kernel decides.
    """

    id: str
    name: str
    distributions: tuple[str, ...]
    versions: tuple[str, ...]
    initramfs: Literal["initramfs-tools", "dracut"]
    boot_loaders: tuple[Literal["grub2", "bls", "grub-legacy"], ...]
    networks: tuple[NetworkSystem, ...]
    kernel: str
    nitro: Boots
    xen: Boots
    note: str


@dataclass(frozen=True)
class Edition:
    """An edition of Windows: EditionID of the registry, and its name."""

    id: str
    name: str


@dataclass(frozen=True)
class WindowsRow:
    """A Windows release: a range of builds with the kinds of installation (InstallationType) and the editions."""

    id: str
    name: str
    first_build: int
    last_build: int
    installations: tuple[Literal["Server", "Server Core", "Client"], ...]
    editions: tuple[Edition, ...]
    nitro: Boots
    xen: Boots
    note: str


@dataclass(frozen=True)
class Matrix:
    """All that is supported."""

    version: Literal[1]
    linux: tuple[LinuxRow, ...]
    windows: tuple[WindowsRow, ...]
    file_systems: tuple[Literal["ext2", "ext3", "ext4", "btrfs", "jfs", "xfs"], ...]
    tables: tuple[Literal["dos", "gpt"], ...]
    firmwares: tuple[Literal["bios", "uefi"], ...]
    volumes: tuple[Literal["plain", "lvm", "md"], ...]


@cache
def matrix() -> Matrix:
    """The matrix, read once."""
    return read_document(files("schemas").joinpath("guests.json").read_text("utf-8"), "guests", Matrix, "guests.json")


def linux_row(distribution: str, version: str) -> LinuxRow | None:
    """The row of a Linux release by os-release's ID and VERSION_ID; None when it is not in the matrix."""
    for row in matrix().linux:
        if distribution in row.distributions and any(f"{version}.".startswith(f"{one}.") for one in row.versions):
            return row
    return None


def windows_row(build: int, installation: str, edition: str) -> WindowsRow | None:
    """The row of a Windows release by CurrentBuild, InstallationType and EditionID; None when it is not there."""
    for row in matrix().windows:
        editions = {one.id.lower() for one in row.editions}
        if (
            row.first_build <= build <= row.last_build
            and installation in row.installations
            and edition.lower() in editions
        ):
            return row
    return None
