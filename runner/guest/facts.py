"""What the probe found in a guest: plain values, so that deciding needs no appliance and a test no guest."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from runner.guest.windows.facts import Registry, WindowsFacts
from runner.guest.windows.kit import Bundle

Firmware = Literal["bios", "uefi"]
Hypervisor = Literal["nitro", "xen"]
CloudInit = Literal["limit", "keep"]


@dataclass(frozen=True)
class Options:
    """What the user said about the guest. `os` is a hint (None: look); `firmware` is what the replica boots with.

    `hypervisor` is the destination type's (None: not known, either will do); `unlisted` says what becomes of a guest
    that is not in the support matrix; `cloud_init` "keep" leaves cloud-init as it is configured. `bundle` holds the
    Windows drivers that the spec names. `luks_keys` are passphrases, which nothing may show.
    """

    network: Literal["dhcp", "keep"]
    os: str | None = None
    firmware: Firmware = "bios"
    hypervisor: Hypervisor | None = None
    unlisted: Literal["refuse", "try"] = "refuse"
    cloud_init: CloudInit = "limit"
    bundle: Bundle | None = None
    luks_keys: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class FileSystem:
    """A file system (or swap area) of the guest.

    `device` is libguestfs's name for it. `disk` counts the disks from 0 in the order given; `partition` is 0 for a
    whole disk; both are None on LVM and md. `links` are the names that udev gives it after LVM's or md's metadata.
    """

    device: str
    type: str
    uuid: str
    label: str
    part_uuid: str
    disk: int | None = None
    partition: int | None = None
    part_label: str = ""
    links: tuple[str, ...] = ()


@dataclass(frozen=True)
class LuksVolume:
    """A LUKS volume on which the keys were tried; `device` is the name of the file system that it is in the facts.

    `mapping` is the path that opened it (/dev/mapper/NAME), empty where no key did; `failed` what stood in the way but
    for a wrong key; `holds` the devices of what lies in it, volumes of LVM on it among them.
    """

    device: str
    uuid: str
    mapping: str = ""
    failed: str = ""
    holds: tuple[str, ...] = ()


@dataclass(frozen=True)
class Mount:
    """A file system the guest itself lives on, with its free bytes before the first edit.

    `options` say which Btrfs subvolume (`subvol=@`); empty for all else.
    """

    point: str
    device: str
    free: int
    size: int
    options: str = ""


@dataclass(frozen=True)
class Kernel:
    """A kernel that the guest may boot.

    `loadable` and `builtin` say which of the asked drivers this kernel has; `packed` which its initramfs holds (names
    with underscores). `packed_bytes` is the size of the initramfs, 0 when it has none. `default` is the one that the
    boot loader starts; `reads_zstd` says that its initramfs may be compressed with zstd.
    """

    version: str
    loadable: tuple[str, ...]
    builtin: tuple[str, ...]
    initramfs: str
    packed: tuple[str, ...]
    packed_bytes: int
    default: bool = False
    reads_zstd: bool = False

    @property
    def age(self) -> tuple[tuple[int, str], ...]:
        """What orders versions as rpmvercmp of rpm does: by numbers and words, of which a number is the newer.

        4.18.0-553 comes after 4.18.0-80, and 4.18.0-553.16.1.el8_10 after 4.18.0-553.el8_10.
        """
        runs = ((digits.lstrip("0"), word) for digits, word in re.findall(r"([0-9]+)|([A-Za-z]+)", self.version))
        return tuple((-1, word) if word else (len(digits), digits) for digits, word in runs)

    @property
    def number(self) -> tuple[int, int]:
        """Major and minor, for comparing: (4, 15)."""
        parts = re.match(r"([0-9]{1,9})(?:\.([0-9]{1,9}))?", self.version)
        return (int(parts[1]), int(parts[2] or 0)) if parts else (0, 0)


def default_of(kernels: Sequence[Kernel]) -> Kernel | None:
    """The kernel that boots unless somebody chooses another; the newest where no boot loader's file was looked at."""
    newest = max(kernels, key=lambda kernel: kernel.age, default=None)
    return next((kernel for kernel in kernels if kernel.default), newest)


@dataclass(frozen=True)
class TextFile:
    """A configuration file as it stood; bytes that are no UTF-8 are surrogates, so that it is written back as read."""

    path: str
    text: str


@dataclass(frozen=True)
class SymbolicLink:
    """A symbolic link that is there, with its target as it is written."""

    path: str
    target: str


@dataclass(frozen=True)
class GuestFacts:
    """One guest. `firmwares` are those its boot disk is laid out for; `paths` are the asked-for paths that exist.

    `tables` has each disk's kind of partition table (gpt, dos, empty for none); `groups` the LVM volume groups. `luks`
    are the LUKS volumes, where keys were given to open them: `keys` says how many.
    """

    os: Literal["linux", "windows", "unknown"]
    distribution: str
    version: str
    product: str
    firmwares: tuple[Firmware, ...]
    root: str
    disks: int
    file_systems: tuple[FileSystem, ...]
    mounts: tuple[Mount, ...]
    kernels: tuple[Kernel, ...]
    files: tuple[TextFile, ...]
    paths: tuple[str, ...]
    tables: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    windows: WindowsFacts | None = None
    links: tuple[SymbolicLink, ...] = ()
    luks: tuple[LuksVolume, ...] = ()
    keys: int = 0

    @property
    def registry(self) -> Registry | None:
        """What a Windows guest's registry says, None without one that was read."""
        return self.windows.registry if self.windows else None

    @property
    def why_locked(self) -> str:
        """What hindered the opening of a LUKS volume but for wrong keys, empty for nothing."""
        return next((volume.failed for volume in self.luks if volume.failed), "")

    @property
    def default_kernel(self) -> Kernel | None:
        """The kernel that boots unless somebody chooses another."""
        return default_of(self.kernels)

    def link(self, path: str) -> str | None:
        """The target of a symbolic link, None when there is none."""
        return next((link.target for link in self.links if link.path == path), None)

    def text(self, path: str) -> str | None:
        """The text of a file, None when there is none."""
        return next((file.text for file in self.files if file.path == path), None)

    def files_in(self, directory: str, suffix: str = "") -> tuple[TextFile, ...]:
        """The files read from a directory, sorted by name."""
        inside = [f for f in self.files if f.path.rpartition("/")[0] == directory and f.path.endswith(suffix)]
        return tuple(sorted(inside, key=lambda file: file.path))

    def mount_of(self, path: str) -> Mount:
        """The mount that holds a path: the longest mount point that leads to it."""
        above = [m for m in self.mounts if m.point == "/" or path == m.point or path.startswith(m.point + "/")]
        return max(above, key=lambda mount: len(mount.point))
