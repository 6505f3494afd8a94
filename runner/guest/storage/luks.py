"""LUKS volumes, opened with the keys that the user gave, under the names that the guest itself gives them.

The names count: Debian's hook of the initramfs looks up in crypttab the name by which the root is open (crypttab(5),
/usr/share/initramfs-tools/hooks/cryptroot), and fstab and boot loaders have it in paths under /dev/mapper.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from runner.guest import crypttab, fstab, luks_at_boot
from runner.guest.appliance import Appliance
from runner.guest.facts import FileSystem, GuestFacts, LuksVolume, TextFile
from runner.guest.storage import health
from runner.guest.storage.system import System

_MAPPED = "/dev/mapper/"
# A guest's crypttab is no more trusted than the rest of it: dmsetup(8) escapes other characters, 127 is its most.
_NAME = re.compile(r"[A-Za-z0-9._+-]{1,127}")


def unlock(
    appliance: Appliance,
    file_systems: tuple[FileSystem, ...],
    keys: Sequence[str],
    describe: Callable[[str], FileSystem],
) -> tuple[tuple[FileSystem, ...], tuple[LuksVolume, ...]]:
    """Try the keys on every LUKS volume, and on those that come to light in others (LUKS on LVM in LUKS).

    All file systems, with those in opened volumes, and what came of each LUKS volume. `describe` looks at a device.
    """
    tried: dict[str, LuksVolume] = {}
    while locked := [fs for fs in file_systems if fs.type == "crypto_LUKS" and fs.device not in tried]:
        health.check_arrays(appliance, file_systems)
        for fs in locked:
            name = f"hotadd-{len(tried)}"
            failed = appliance.unlock(fs.device, keys, name)
            opened = f"{_MAPPED}{name}" if failed is None else ""
            tried[fs.device] = LuksVolume(fs.device, fs.uuid, opened, failed or "")
        known = {fs.device for fs in file_systems}
        file_systems += tuple(describe(device) for device in appliance.volumes() if device not in known)
    return file_systems, _with_content(appliance, file_systems, tuple(tried.values()))


def _with_content(
    appliance: Appliance, file_systems: tuple[FileSystem, ...], volumes: tuple[LuksVolume, ...]
) -> tuple[LuksVolume, ...]:
    if not any(volume.mapping for volume in volumes):
        return volumes
    below = {fs.device: appliance.mappings_below(fs.device) for fs in file_systems if fs.disk is None}
    return tuple(
        replace(volume, holds=tuple(device for device, mappings in below.items() if volume.mapping in mappings))
        for volume in volumes
    )


def named_as_by_guest(appliance: Appliance, facts: GuestFacts, found: System) -> tuple[GuestFacts, System]:
    """The facts and the system again, once the volumes have the names of the guest's crypttab, else luks-UUID.

    No name that is taken, and none that device-mapper would escape: such a volume keeps a name that no guest gives.
    """
    opened = [volume for volume in facts.luks if volume.mapping]
    if not opened:
        return facts, found
    own = _names(appliance, facts, found)
    taken = appliance.mapped_names()
    for volume in opened:
        now = volume.mapping.removeprefix(_MAPPED)
        name = own.get(volume.device) or (f"luks-{volume.uuid}" if luks_at_boot.UUID.fullmatch(volume.uuid) else now)
        if _NAME.fullmatch(name) and name not in (".", "..", "control", *taken):
            appliance.rename_mapping(now, name)
            taken |= {name}
            facts = _renamed(facts, volume.mapping, f"{_MAPPED}{name}")
            found = replace(found, at=_moved(found.at, volume.mapping, f"{_MAPPED}{name}"))
    return facts, found


def _names(appliance: Appliance, facts: GuestFacts, found: System) -> dict[str, str]:
    appliance.mount(found.at.device, "/", read_only=True, options=found.options)
    texts = [TextFile(path, appliance.read(path) or "") for path in (crypttab.PATH, fstab.PATH)]
    appliance.unmount_all()
    table = crypttab.by_device(replace(facts, files=tuple(texts)))
    return {device: fields[0] for device, fields in table.items()}


def _renamed(facts: GuestFacts, old: str, new: str) -> GuestFacts:
    volumes = [
        replace(
            volume,
            device=new if volume.device == old else volume.device,
            mapping=new if volume.mapping == old else volume.mapping,
            holds=tuple(new if device == old else device for device in volume.holds),
        )
        for volume in facts.luks
    ]
    return replace(facts, luks=tuple(volumes), file_systems=tuple(_moved(fs, old, new) for fs in facts.file_systems))


def _moved(fs: FileSystem, old: str, new: str) -> FileSystem:
    return replace(fs, device=new) if fs.device == old else fs
