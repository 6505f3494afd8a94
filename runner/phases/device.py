"""Which device a volume is on the access node: by volume id, never by a guessed letter.

On Nitro an EBS volume is an NVMe device whose serial is its id without the dash; udev makes
/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_vol0123... of it ("Map Amazon EBS volumes to NVMe device names").
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

from runner.aws.waiting import wait_for
from schemas.errors import HotaddError

_BY_ID = "/dev/disk/by-id"
_LINK = "nvme-Amazon_Elastic_Block_Store_"
_APPEAR_SECONDS = 120.0  # udev is done within a second or two; a node that loads its driver late takes longer


class DeviceHeld(HotaddError):
    """The access node's own kernel has taken hold of a volume (LVM, md, multipath)."""

    def __init__(self, device: Path, holders: tuple[str, ...]) -> None:
        super().__init__(
            f"{device} is held by {', '.join(holders)} on the access node.",
            "Switch off LVM autoactivation, mdadm and multipath there (`hotadd doctor` checks it), and release it.",
        )
        self.device = device
        self.holders = holders


def find_device(volume_id: str, node_id: str, stop: Callable[[], bool]) -> Path:
    """The device of an attached volume; waits for udev within bounds. Raises `WaitedTooLong`."""
    base = os.environ.get("HOTADD_DEVICE_DIR", _BY_ID).replace("{instance_id}", node_id)
    link = Path(base) / f"{_LINK}{volume_id.replace('-', '')}"

    def look() -> tuple[Path | None, str]:
        return (link if link.exists() else None), "absent"

    return wait_for(look, f"{link}", seconds=_APPEAR_SECONDS, stop=stop)


def check_unheld(device: Path) -> None:
    """Raise `DeviceHeld` when the kernel has stacked something on a block device."""
    real = device.resolve()
    if not stat.S_ISBLK(real.stat().st_mode):
        return
    holders = tuple(sorted(entry.name for entry in Path(f"/sys/class/block/{real.name}/holders").glob("*")))
    if holders:
        raise DeviceHeld(device, holders)
