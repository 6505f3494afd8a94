"""Looking at a guest before anything else is known of it: from bare disks to a verdict."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from runner.aws.account import Account
from runner.blocks.package import describe_package
from runner.guest.conversion import GuestDisk, inspect
from runner.guest.facts import Firmware
from runner.guest.inspection import describe
from runner.phases.guests import source_device
from runner.phases.sources import open_file, open_place
from schemas.errors import Refused
from schemas.inspection import InspectedDisk, Inspection


@dataclass(frozen=True)
class Given:
    """A disk as the user names it: location (schemas/location.py), stated format, file name in a package or ""."""

    location: str
    format: str
    member: str = ""


class NoDisks(Refused):
    """A package without a disk's file."""

    def __init__(self, location: str) -> None:
        super().__init__(f"{location} holds no disk.", "Name a package with disks, or a disk image.")
        self.location = location


def members_of(location: str, format: str, account: Account) -> tuple[Given, ...]:
    """Every disk of an OVA or OVF, in the order in which the firmware finds them. Raises `ImageRefused`, `NoDisks`."""
    disks = describe_package(open_file(location, account), format).disks
    found = tuple(Given(location, format, disk.file.name) for disk in disks if disk.file is not None)
    if not found:
        raise NoDisks(location)
    return found


def look(
    given: Sequence[Given],
    boot_disk: int,
    firmware: Firmware | None,
    account: Account,
    luks_keys: tuple[str, ...] = (),
) -> Inspection:
    """Open the guest on these disks, which are only read; takes 20 s and more. `luks_keys` open its LUKS volumes.

    Raises what `open_place` and `inspect` raise; a guest that cannot be replicated is a verdict and no error.
    """
    disks = []
    for disk in given:
        with closing(open_place(disk.location, disk.format, disk.member, account)) as source:
            disks.append(InspectedDisk(disk.location, disk.format, disk.member, source.size, ""))
    guest = [
        GuestDisk(f"disk{at}", source_device(disk.location, disk.format, disk.member, account), at == boot_disk)
        for at, disk in enumerate(given)
    ]
    with tempfile.TemporaryDirectory(prefix="hotadd-inspect-") as work:
        return describe(inspect(guest, Path(work), luks_keys), disks, firmware)
