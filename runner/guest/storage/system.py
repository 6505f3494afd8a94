"""Where the guest's system lies, and its own file systems mounted: looked at first, replayed, checked, then mounted."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from runner.guest import devices, fstab
from runner.guest.appliance import Appliance
from runner.guest.facts import FileSystem, GuestFacts, Mount
from runner.guest.storage import health
from runner.guest.storage.refusals import FileSystemUnmountable
from runner.guest.windows import probe as windows
from schemas.errors import Refused

_LINUX_TYPES = ("ext2", "ext3", "ext4", "xfs", "btrfs", "jfs", "reiserfs")
_LINUX_SIGNS = ("/etc/os-release", "/etc/debian_version", "/etc/redhat-release", "/etc/SuSE-release")
# File systems that conversion may write to, in the order in which they are mounted.
_SYSTEM_MOUNTS = ("/usr", "/var", "/boot", "/boot/efi")
_SUBVOLUME = re.compile(r"subvol(?:id)?=[^,\s]+")
_TOP = "subvolid=5"  # Btrfs's own tree, whatever is mounted by default
_SUBVOLUMES_MOST = 200  # snapshots of snapper, times the candidates: no honest root is the two hundred and first


@dataclass(frozen=True)
class System:
    """A file system with a system on it; `options` are the mount options that lead to it (a Btrfs subvolume)."""

    kind: Literal["linux", "windows"]
    at: FileSystem
    options: str = ""


def find(appliance: Appliance, file_systems: tuple[FileSystem, ...], boot_disk: int) -> System | None:
    """The guest's system; the boot disk is looked at first. Nothing is mounted afterwards.

    Raises what stands in the way of a file system that may hold it: `FeatureUnknown`, `FileSystemDamaged`,
    `DevicesMissing`, `FileSystemUnmountable`.
    """
    in_the_way: Refused | None = None
    for fs in sorted(file_systems, key=lambda fs: fs.disk not in (boot_disk, None)):
        if fs.type not in (*_LINUX_TYPES, "ntfs"):
            continue
        try:
            health.check_before_mount(appliance, fs, file_systems)
            found = _system_on(appliance, fs)
        except (Refused, _Unmountable) as refusal:
            if fs.type != "ntfs":
                in_the_way = in_the_way or _told(refusal, appliance, fs)
            continue
        finally:
            appliance.unmount_all()
        if found is not None:
            if in_the_way is not None and fs.disk not in (boot_disk, None):
                break  # an old system on a data disk is not the one that boots
            return found
    if in_the_way is not None:
        raise in_the_way
    return None


def mount(appliance: Appliance, system: System, facts: GuestFacts) -> tuple[Mount, ...]:
    """Check and mount the guest's own file systems. Raises what `find` raises."""
    appliance.mount(system.at.device, "/", read_only=True, options=system.options)
    found = {"/": (system.at, system.options)}
    table = {entry.point: entry for entry in fstab.entries(appliance.read(fstab.PATH) or "")}
    for point in _SYSTEM_MOUNTS:
        if point in table and devices.is_known(table[point].device, facts):
            subvolume = _SUBVOLUME.search(table[point].options)
            found[point] = (devices.find(table[point].device, facts), subvolume[0] if subvolume else "")
    appliance.unmount_all()
    for fs in {fs.device: fs for fs, _ in found.values()}.values():
        if fs != system.at:
            health.check_before_mount(appliance, fs, facts.file_systems)
            # Alone and read-only first: that replays its journal, without which it would look damaged.
            appliance.can_mount(fs.device)
            appliance.unmount_all()
        appliance.check_clean(fs.device, fs.type)
    mounts = []
    for point, (fs, options) in found.items():
        appliance.mount(fs.device, point, options=options)
        free, size = appliance.space(point)
        mounts.append(Mount(point, fs.device, free, size, options))
    return tuple(mounts)


class _Unmountable(Exception):
    """The kernel does not mount it; its text says why."""


def _system_on(appliance: Appliance, fs: FileSystem) -> System | None:
    refused = appliance.why_unmountable(fs.device)
    if refused:
        raise _Unmountable(refused)
    if fs.type == "ntfs":
        return System("windows", fs) if windows.is_system(appliance) else None
    if _is_linux(appliance, ""):
        return System("linux", fs)
    if fs.type != "btrfs":
        return None
    appliance.unmount_all()
    appliance.mount(fs.device, "/", read_only=True, options=_TOP)
    paths = sorted(appliance.subvolumes(), key=lambda path: path.count("/"))[:_SUBVOLUMES_MOST]
    candidates = [path for path in paths if _is_linux(appliance, f"/{path}")]
    own = [path for path in candidates if _names_itself(appliance, path)]
    # A snapshot holds an fstab too, but one that names the subvolume it was taken of.
    chosen = next(iter(own or candidates), None)
    return None if chosen is None else System("linux", fs, f"subvol={chosen}")


def _is_linux(appliance: Appliance, top: str) -> bool:
    return appliance.exists(f"{top}{fstab.PATH}") and any(appliance.exists(f"{top}{sign}") for sign in _LINUX_SIGNS)


def _names_itself(appliance: Appliance, path: str) -> bool:
    roots = [entry for entry in fstab.entries(appliance.read(f"/{path}{fstab.PATH}") or "") if entry.point == "/"]
    wanted = {f"subvol={path}", f"subvol=/{path}"}
    return any(wanted & set(entry.options.split(",")) for entry in roots)


def _told(refusal: Exception, appliance: Appliance, fs: FileSystem) -> Refused:
    if isinstance(refusal, Refused):
        return refusal
    return FileSystemUnmountable(fs.device, fs.type, appliance.kernel(), str(refusal))
