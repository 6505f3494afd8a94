"""What `hotadd drift` found: how a replica differs from what was declared and from what was replicated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["changed", "missing", "detached", "errored", "unwanted"]
Cause = Literal["world", "spec"]


@dataclass(frozen=True)
class Deviation:
    """One difference in the infrastructure. `subject` is a Terraform address, or `integrity snapshot of <disk>`.

    `cause`: `world` when somebody changed EC2, `spec` when the spec (or what it declares) was changed since it was
    applied. `expected` and `found` are JSON text for attributes, else words.
    """

    subject: str
    resource_id: str
    kind: Kind
    attribute: str
    expected: str
    found: str
    cause: Cause


@dataclass(frozen=True)
class DriftedRange:
    """Consecutive blocks that differ, in bytes. `injected`: they are among those that injection wrote."""

    offset: int
    length: int
    injected: bool


@dataclass(frozen=True)
class DriftedFile:
    """A file that drifted blocks belong to. `bytes` counts whole file system blocks; `path` is within its device."""

    device: str
    path: str
    bytes: int


@dataclass(frozen=True)
class DriftedDisk:
    """One disk. Without `compared`, `note` says why it could not be; else what was compared with what.

    `blocks` (of 512 KiB) and `bytes` are the sums of `ranges`. `unnamed` are those bytes among them of which no file
    system could say whose they are (its own metadata, free space, file systems that cannot be read).
    """

    id: str
    volume_id: str
    volume_bytes: int
    integrity_snapshot_id: str
    compared: bool
    note: str
    blocks: int
    bytes: int
    ranges: tuple[DriftedRange, ...]
    files: tuple[DriftedFile, ...] = ()
    files_note: str = ""


@dataclass(frozen=True)
class Drift:
    """The answer of one `hotadd drift`. `checked` is its time, RFC 3339.

    `since_launch`: the destination was started after it got its volumes, so that the data's differences may be its own
    writes. `moving`: it ran while its volumes were looked at.
    """

    version: Literal[1]
    replication: str
    generation: int
    checked: str
    instance_id: str
    instance_state: str
    since_launch: bool
    moving: bool
    infrastructure_looked: bool
    data_looked: bool
    infrastructure: tuple[Deviation, ...]
    disks: tuple[DriftedDisk, ...]
    notes: tuple[str, ...]

    @property
    def differs(self) -> bool:
        """Whether anything differs, or a disk could not be compared."""
        return bool(self.infrastructure) or any(disk.blocks or not disk.compared for disk in self.disks)
