"""HotAdd slots: the device names under which an access node takes volumes, and how many it may take.

Windows guests: 21 volumes, xvdf to xvdz. Linux guests: 40, xvdf to xvdz, then xvdba to xvdbz, cut at 40 in all.
The names are EC2's own for block devices ("Device names for volumes on Amazon EC2 instances"); a Nitro instance
shows the volumes as NVMe devices whatever the name, but EC2 still wants each name used once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from string import ascii_lowercase

from schemas.errors import Refused
from schemas.spec import GuestOs

_SINGLE = tuple(f"xvd{letter}" for letter in ascii_lowercase[5:])
_DOUBLE = tuple(f"xvdb{letter}" for letter in ascii_lowercase)

LIMIT: dict[GuestOs, int] = {"windows": 21, "linux": 40}


class TooManyDisks(Refused):
    """More disks than slots for this guest."""

    def __init__(self, disks: int, limit: int, why: str, attached: int = 0) -> None:
        taken = f", {attached} of them taken" if attached else ""
        super().__init__(
            f"The machine has {disks} disks, but {why} takes {limit} volumes at a time{taken}.",
            "Replicate fewer disks in one spec, or use an access node that takes more.",
        )
        self.disks = disks
        self.limit = limit
        self.attached = attached


def slots_of(os: GuestOs) -> tuple[str, ...]:
    """All HotAdd slots for a guest of that system, in the order in which they are given out."""
    return _SINGLE if os == "windows" else (_SINGLE + _DOUBLE)[: LIMIT["linux"]]


def give_out(os: GuestOs, disk_ids: Iterable[str], taken: Iterable[str] = ()) -> dict[str, str]:
    """Give each disk a slot that is not taken. `taken` are device names in use (with or without /dev/).

    sdf takes xvdf too: Xen instances show either as /dev/xvdf ("Device names for volumes on Amazon EC2 instances").
    Raises `TooManyDisks` when the slots run out.
    """
    used = {re.sub(r"^(/dev/)?(xvd|sd)", "xvd", name) for name in taken}
    wanted = list(disk_ids)
    free = [slot for slot in slots_of(os) if slot not in used]
    if len(wanted) > len(free):
        raise TooManyDisks(len(wanted), LIMIT[os], f"an access node with a {os} guest", LIMIT[os] - len(free))
    return dict(zip(wanted, free, strict=False))


def destination_devices(os: GuestOs, disk_ids: Iterable[str], boot_disk: str, root_device: str) -> dict[str, str]:
    """Device names on the destination instance: the boot disk at its root device, the others from xvdf on."""
    data = [disk for disk in disk_ids if disk != boot_disk]
    return {boot_disk: root_device, **give_out(os, data, taken=[root_device])}
