"""What `hotadd inspect` found: what the guest is, and whether it can be made to boot on EC2."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Place = Literal["builtin", "module", "absent"]


@dataclass(frozen=True)
class InspectedDisk:
    """A disk as it was given. `partition_table` is gpt, dos, another of blkid's words, or empty for none."""

    location: str
    format: str
    member: str
    bytes: int
    partition_table: str


@dataclass(frozen=True)
class InspectedFileSystem:
    """A file system or swap area. `disk` counts from 0; -1 for one on LVM or md. `partition` 0 is the whole disk."""

    device: str
    type: str
    uuid: str
    label: str
    disk: int
    partition: int
    mounted_at: str
    bytes_free: int


@dataclass(frozen=True)
class InspectedDriver:
    """A driver that EC2's machines need: where the kernel has it, and whether its initramfs holds it."""

    name: str
    place: Place
    in_initramfs: bool


@dataclass(frozen=True)
class InspectedKernel:
    """A kernel that the guest may boot. `initramfs` is empty if it has none; `default` is the one that boots."""

    version: str
    initramfs: str
    drivers: tuple[InspectedDriver, ...]
    default: bool = False


@dataclass(frozen=True)
class InspectedHypervisor:
    """Whether the guest boots on instance types of a hypervisor, and if not, why."""

    name: Literal["nitro", "xen"]
    boots: bool
    reason: str


@dataclass(frozen=True)
class InspectedChange:
    """What injection would do to a file of the guest, and why."""

    path: str
    action: str
    why: str


@dataclass(frozen=True)
class Inspection:
    """One guest. `reasons` are sentences why it is not supported; `advice` says what to do, or what the spec must say.

    `firmware` is the one that the verdict is about, `row` the id of its row in the support matrix, or empty.
    """

    version: Literal[1]
    supported: bool
    reasons: tuple[str, ...]
    advice: tuple[str, ...]
    os: Literal["linux", "windows", "unknown"]
    distribution: str
    release: str
    product: str
    edition: str
    row: str
    firmware: Literal["bios", "uefi"]
    firmwares: tuple[str, ...]
    hypervisors: tuple[InspectedHypervisor, ...]
    root: str
    disks: tuple[InspectedDisk, ...]
    file_systems: tuple[InspectedFileSystem, ...]
    volume_groups: tuple[str, ...]
    kernels: tuple[InspectedKernel, ...]
    boot_loaders: tuple[str, ...]
    network: tuple[str, ...]
    agents: tuple[str, ...]
    encryption: tuple[str, ...]
    changes: tuple[InspectedChange, ...]
