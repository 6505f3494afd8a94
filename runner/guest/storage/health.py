"""Whether a guest's storage may be mounted and written to: looked at before the first mount, in bytes where possible.

Crash-consistent sources are normal: their journals are replayed in the overlay. What a replay does not mend is refused.
"""

from __future__ import annotations

import re

from runner.guest.appliance import Appliance
from runner.guest.facts import FileSystem
from runner.guest.refusals import FileSystemDamaged
from runner.guest.storage import arrays, features, superblock
from runner.guest.storage.refusals import DevicesMissing, FeatureUnknown, TooManyVolumes, VolumeGroupIncomplete

# EC2 attaches 40 volumes to a Linux guest at most, and four partitions each are many.
_VOLUMES_MOST = 256


def check_volumes(appliance: Appliance, file_systems: tuple[FileSystem, ...]) -> None:
    """Look at what file systems lie on: raises what `check_arrays` does, and `VolumeGroupIncomplete`."""
    check_arrays(appliance, file_systems)
    if any(fs.type == "LVM2_member" for fs in file_systems):
        for group, missing in appliance.missing_volumes():
            if missing:
                raise VolumeGroupIncomplete(group, missing)


def check_arrays(appliance: Appliance, file_systems: tuple[FileSystem, ...]) -> None:
    """Look at software RAID, before anything is opened that may write to it. Raises `TooManyVolumes`, `ArrayUnfit`."""
    if len(file_systems) > _VOLUMES_MOST:
        raise TooManyVolumes(len(file_systems), _VOLUMES_MOST)
    members = [fs.device for fs in file_systems if fs.type == "linux_raid_member"]
    arrays.check(tuple(arrays.read(device, appliance.examine(device)) for device in members))


def check_before_mount(appliance: Appliance, fs: FileSystem, file_systems: tuple[FileSystem, ...]) -> None:
    """Look at a file system's superblock, and replay its journal where no mount does (JFS).

    Raises `FeatureUnknown`, `FileSystemDamaged`, `DevicesMissing`, `JournalLost`; types that no table knows pass.
    """
    if fs.type not in superblock.PLACES:
        return
    found = superblock.read(fs.type, appliance.bytes_of(fs.device, superblock.PLACES[fs.type][1], superblock.BYTES))
    kernel = appliance.kernel()
    for feature in features.unknown(found.driver, found.words, version(kernel)):
        since = f"{feature.since[0]}.{feature.since[1]}" if feature.since else ""
        raise FeatureUnknown(fs.device, fs.type, feature.name, feature.word, feature.bit, since, kernel)
    if found.fault:
        raise FileSystemDamaged(fs.device, found.fault)
    same = [other for other in file_systems if other.type == "btrfs" and other.uuid == fs.uuid]
    if fs.type == "btrfs" and found.devices > len(same):
        raise DevicesMissing(fs.device, found.devices, len(same))
    if found.unclean:
        appliance.replay_jfs(fs.device)


def version(release: str) -> tuple[int, int]:
    """Major and minor of a kernel's release: (6, 1) of 6.1.0-56-amd64."""
    numbers = re.match(r"(\d+)\.(\d+)", release)
    return (int(numbers[1]), int(numbers[2])) if numbers else (0, 0)
