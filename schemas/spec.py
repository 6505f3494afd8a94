"""The replication spec as typed, frozen models. spec.schema.json is the same contract in JSON Schema.

Field meanings, units and examples stand in the JSON Schema's descriptions, which the documentation is made from.
Local paths are absolute once a spec is loaded (they are relative to the spec's own file in the document).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

DiskFormat = Literal["raw", "vmdk", "ova", "ovf", "qcow2", "vhd", "vhdx"]
Firmware = Literal["bios", "uefi"]
GuestOs = Literal["linux", "windows"]
NetworkPolicy = Literal["keep", "dhcp"]
UnlistedPolicy = Literal["refuse", "try"]
CloudInitPolicy = Literal["limit", "keep"]
Verify = Literal["none", "written", "full"]
Zeroes = Literal["auto", "skip", "write"]
FindBy = Literal["auto", "snapshot", "read"]
VolumeType = Literal["gp3", "gp2", "io1", "io2", "st1", "sc1"]


@dataclass(frozen=True)
class Disk:
    """One disk of the source. `id` names its volume for good; `size_gib` is the EBS volume's size in GiB.

    `path` is a local path or a URI (schemas/location.py). `member` is the disk's file name in an OVA or OVF ("": its
    only disk). `changes` is the path of a changed-block list.
    """

    id: str
    path: str
    size_gib: int
    format: DiskFormat = "raw"
    boot: bool = False
    member: str = ""
    changes: str | None = None


@dataclass(frozen=True)
class Source:
    """The machine to replicate."""

    disks: tuple[Disk, ...]
    firmware: Firmware = "bios"
    os: GuestOs = "linux"


@dataclass(frozen=True)
class Wheel:
    """The hotadd wheel that a declared access node installs, pinned by digest. `location` is s3:// or https://."""

    location: str
    sha256: str


@dataclass(frozen=True)
class DeclaredNode:
    """An access node that the access-node stack creates. Several specs may name the same one."""

    name: str
    instance_type: str
    ami: str
    subnet_id: str
    wheel: Wheel
    vpc_id: str
    root_gib: int = 16


@dataclass(frozen=True)
class AccessNode:
    """Exactly one of the two is set."""

    instance_id: str | None = None
    declare: DeclaredNode | None = None


@dataclass(frozen=True)
class VolumeSettings:
    """What every EBS volume of the replica is. `iops` in operations/s, `throughput` in MiB/s."""

    type: VolumeType = "gp3"
    iops: int | None = None
    throughput: int | None = None
    encrypted: bool = True
    kms_key_id: str | None = None


@dataclass(frozen=True)
class Destination:
    """The instance that gets the volumes."""

    instance_type: str
    shell_ami: str
    subnet_id: str
    security_group_ids: tuple[str, ...] = ()
    key_name: str | None = None
    instance_profile: str | None = None
    volume: VolumeSettings = field(default_factory=VolumeSettings)


@dataclass(frozen=True)
class LocalBackend:
    """State and manifests in a directory."""

    path: str


@dataclass(frozen=True)
class S3Backend:
    """State and manifests under an S3 prefix (no slash at either end)."""

    bucket: str
    prefix: str
    region: str
    kms_key_id: str | None = None


@dataclass(frozen=True)
class Backend:
    """Exactly one of the two is set."""

    local: LocalBackend | None = None
    s3: S3Backend | None = None


@dataclass(frozen=True)
class CopyLimits:
    """How hard a copy may go at it: MB (10^6 bytes) a second over all disks (None: no limit), and disks at once."""

    rate_mb_s: int | None = None
    disks_at_once: int = 4


@dataclass(frozen=True)
class GuestPolicy:
    """How the guest is judged and made bootable. `unlisted`: a guest whose release is not in the support matrix.

    `drivers` is the directory of a bundle of Windows drivers; `cloud_init` says whether it may change the replica.
    `luks_keys` are files with a passphrase each, tried on every LUKS volume; no passphrase stands in a spec.
    """

    unlisted: UnlistedPolicy = "refuse"
    cloud_init: CloudInitPolicy = "limit"
    drivers: str | None = None
    luks_keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class Integrity:
    """How many generations of integrity snapshots are kept, and how an incremental finds what the volumes became."""

    retention: int = 2
    find: FindBy = "auto"


@dataclass(frozen=True)
class DrillCheck:
    """One check of a drill's copy. Exactly one of `console`, `tcp` and `ssm` is set; `expect` goes with `ssm`.

    `console` and `expect` are regular expressions, searched for line by line; `tcp` is a port; `ssm` a command.
    """

    console: str | None = None
    tcp: int | None = None
    ssm: str | None = None
    expect: str | None = None
    seconds: int = 600


@dataclass(frozen=True)
class Drill:
    """What a drill boots its copy with, and how the copy is checked. What is None is the destination's."""

    instance_type: str | None = None
    subnet_id: str | None = None
    expires_hours: int = 24
    checks: tuple[DrillCheck, ...] = ()


@dataclass(frozen=True)
class Spec:
    """One replicated machine."""

    version: Literal[1]
    name: str
    region: str
    availability_zone: str
    source: Source
    access_node: AccessNode
    destination: Destination
    backend: Backend
    network: NetworkPolicy = "keep"
    guest: GuestPolicy = field(default_factory=GuestPolicy)
    start: bool = True
    protect: bool = False
    verify: Verify = "none"
    zeroes: Zeroes = "auto"
    copy: CopyLimits = field(default_factory=CopyLimits)
    integrity: Integrity = field(default_factory=Integrity)
    drill: Drill = field(default_factory=Drill)
    tags: dict[str, str] = field(default_factory=dict)
    decommission: bool = False

    @property
    def boot_disk(self) -> Disk:
        """The one disk the guest boots from."""
        return next(disk for disk in self.source.disks if disk.boot)

    def disk(self, disk_id: str) -> Disk:
        """The disk of that id; `KeyError` if there is none."""
        for disk in self.source.disks:
            if disk.id == disk_id:
                return disk
        raise KeyError(disk_id)
