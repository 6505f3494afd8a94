"""Reading a Windows guest: its volume's state first, then its hives and its EFI system partition."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from runner.guest.appliance import Appliance
from runner.guest.facts import FileSystem, GuestFacts, Mount
from runner.guest.windows import hives, ntfs, registry, volume
from runner.guest.windows.facts import SystemPartition, Volume, WindowsFacts
from runner.guest.windows.hive import Hive
from runner.guest.windows.steps import FALLBACK, LOADER, SOFTWARE, SYSTEM

_HIBERNATION_FILE = "/hiberfil.sys"
_BITLOCKER = "BitLocker"  # blkid's name for a volume with the signature -FVE-FS-
# Partitions of the Logical Disk Manager: the type in an MBR, the metadata and data partitions of GPT.
_DYNAMIC_MBR = 0x42
_DYNAMIC_GPT = ("5808c8aa-7e8f-42e0-85d2-e1e90434cfb3", "af9b60a0-1431-4f62-bc68-3311714a69ad")
_MBR_TYPES = range(446 + 4, 446 + 64, 16)


def is_system(appliance: Appliance) -> bool:
    """Whether the volume that is mounted as the root holds a Windows system, in whatever case its names are."""
    return ntfs.find(appliance, SYSTEM).kind == "file"


def traces(appliance: Appliance, file_systems: tuple[FileSystem, ...], boot_disk: int) -> WindowsFacts | None:
    """What hides a Windows on the boot disk, where no system was found; None when nothing says that there is one."""
    encrypted = tuple(fs.device for fs in file_systems if fs.type == _BITLOCKER and fs.disk == boot_disk)
    dynamic = tuple(disk for disk in _dynamic(appliance, file_systems) if disk == boot_disk)
    return WindowsFacts(dynamic=dynamic, encrypted=encrypted) if encrypted or dynamic else None


def probe(appliance: Appliance, facts: GuestFacts, root: FileSystem, boot_disk: int) -> GuestFacts:
    """The facts with those of Windows; its system volume is mounted afterwards, read-write, if its state allows it.

    Raises `FileSystemDamaged`, `HiveBroken`, `NameUnfit` and `FileTooBig`.
    """
    found = WindowsFacts(
        volume=_volume(appliance, root.device),
        dynamic=_dynamic(appliance, facts.file_systems),
        encrypted=tuple(fs.device for fs in facts.file_systems if fs.type == _BITLOCKER),
    )
    if found.volume is not None and volume.fault(found.volume):
        return replace(facts, windows=found)
    found = replace(found, esp=system_partition(appliance, facts.file_systems, boot_disk))
    appliance.mount(root.device, "/")
    free, size = appliance.space("/")
    with TemporaryDirectory() as scratch:
        system, software = Path(scratch, "SYSTEM"), Path(scratch, "SOFTWARE")
        states = tuple(
            (path, hives.fetch(appliance, path, to)) for path, to in ((SYSTEM, system), (SOFTWARE, software))
        )
        known = registry.read(Hive(system, "SYSTEM"), Hive(software, "SOFTWARE"))
    release = known.release
    return replace(
        facts,
        distribution="windows",
        version=".".join(str(number) for number in (*release.version, release.build)),
        product=release.product or "Windows",
        mounts=(Mount("/", root.device, free, size),),
        windows=replace(found, registry=known, hives=states),
    )


def _volume(appliance: Appliance, device: str) -> Volume:
    said = appliance.examine_ntfs(device)
    appliance.mount(device, "/", read_only=True)
    file = ntfs.find(appliance, _HIBERNATION_FILE)
    signature = appliance.start_of(file.path, volume.SIGNATURE_BYTES) if file.kind == "file" else b""
    appliance.unmount_all()
    return volume.state(device, said, signature)


def system_partition(
    appliance: Appliance, file_systems: tuple[FileSystem, ...], boot_disk: int
) -> SystemPartition | None:
    """The one with Windows' loader; where none has it, the first that a firmware without boot entries starts from."""
    candidate = None
    for fs in file_systems:
        if fs.type != "vfat" or fs.disk != boot_disk or not appliance.can_mount(fs.device):
            continue
        loader, fallback = ntfs.find(appliance, LOADER), ntfs.find(appliance, FALLBACK)
        free, _ = appliance.space("/")
        size = (appliance.size(loader.path) or 0) if loader.kind == "file" else 0
        there = fallback.kind == "file"
        foreign = bool(size) and there and not _same(appliance, loader.path, fallback.path)
        appliance.unmount_all()
        if size:
            return SystemPartition(fs.device, loader.path, size, there, free, foreign)
        if there and candidate is None:
            candidate = SystemPartition(fs.device, "", 0, True, free)
    return candidate


def _same(appliance: Appliance, one: str, other: str) -> bool:
    return appliance.size(one) == appliance.size(other) and appliance.digest(one) == appliance.digest(other)


def _dynamic(appliance: Appliance, file_systems: tuple[FileSystem, ...]) -> tuple[int, ...]:
    """The disks (from 0) that are dynamic disks."""
    found: set[int] = set()
    disks: dict[int, str] = {}
    for fs in file_systems:
        if fs.disk is None:
            continue
        disks[fs.disk] = fs.device.rstrip("0123456789") if fs.partition else fs.device
        if appliance.blkid(fs.device).get("PART_ENTRY_TYPE", "") in _DYNAMIC_GPT:
            found.add(fs.disk)
    for disk, device in disks.items():
        # From the table itself: the kernel may know dynamic disks, and show their volumes as if they were partitions.
        sector = appliance.bytes_of(device, 0, 512)
        if sector[510:] == b"\x55\xaa" and any(sector[at] == _DYNAMIC_MBR for at in _MBR_TYPES):
            found.add(disk)
    return tuple(sorted(found))
