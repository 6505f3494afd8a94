"""The machine in which a converted guest is booted: one disk on NVMe, one network interface."""

from __future__ import annotations

import re
from pathlib import Path

from runner.acceleration import accelerator
from runner.lab.guest.kinds import kind
from runner.lab.machine import Disk, Machine, Network

ADDRESS = "10.77.0.10"
BOOT_SECONDS = 900  # emulated, on a busy machine
# What the guest reports of itself, a whole line: root, whether ena is loaded, addresses.
TOLD = re.compile(rf"{kind.REPORT} root (.*), ena (\w+), addresses (.*?) *[\r\n]")


def machine(disk: Path, work: Path, efi_variables: Path | None = None) -> Machine:
    """It keeps its files in `work`; with `efi_variables` it is a UEFI machine."""
    return Machine(
        name="converted",
        disks=(Disk(disk, "vol0001"),),
        network=Network("02:77:00:00:00:10", ADDRESS, "10.77.0.0/24"),
        console=work / "console",
        capture=work / "capture",
        efi_variables=efi_variables,
        windows=False,
        kvm=accelerator() == "kvm",
    )
