"""Guests of other kinds than the sample: converted, and booted from NVMe in the lab's machine to a login prompt.

Each is a Debian as VMware leaves it, with another initramfs tool, boot loader and root file system. QEMU has neither
ENA nor Xen: that ENA's driver can be loaded is said by the booted guest, that the initramfs holds all of them by the
guest's own lister in a second look, which finds nothing left to do.
"""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from runner.guest.conversion import GuestDisk, Options, commit, prepare
from runner.lab.guest.kinds import build, kind
from runner.lab.guest.kinds.kind import Kind
from runner.lab.machine import OVMF_VARS, command
from runner.lab.provider import cache_directory
from runner.lab.vm import Vm
from tests.boots import converted

pytestmark = [
    pytest.mark.guestfs,
    pytest.mark.boot,
    pytest.mark.process,
    pytest.mark.skipif(os.geteuid() != 0, reason="building the guests needs root and debootstrap"),
]

DRIVERS = {"nvme", "nvme_core", "ena", "xen_blkfront", "xen_netfront"}
EMERGENCY = "You are in emergency mode."  # systemd's words; nobody will log in there

# (kind, what the booted guest says of its root)
KINDS = [
    pytest.param(kind.XFS_ON_LVM, "/dev/mapper/vg00-root, xfs", marks=pytest.mark.xdist_group("journey")),
    pytest.param(
        kind.BTRFS_UEFI, "/dev/nvme0n1p2[/@], btrfs", marks=[pytest.mark.slow, pytest.mark.xdist_group("boot-btrfs")]
    ),
    pytest.param(kind.JFS, "/dev/nvme0n1p1, jfs", marks=[pytest.mark.slow, pytest.mark.xdist_group("boot-jfs")]),
]


def boot(disk: Path, work: Path, firmware: str, until: str) -> str:
    """Boot a copy that is thrown away; what was on the console when `until` and the guest's report were there."""
    variables = Path(shutil.copy(OVMF_VARS, work / "variables")) if firmware == "uefi" else None
    machine = converted.machine(disk, work, variables)
    vm = Vm([*command(machine), "-snapshot"], work / "qemu.log", lambda *_: None)
    try:
        patience = time.monotonic() + converted.BOOT_SECONDS
        shown = ""
        while until not in shown or not converted.TOLD.search(shown):
            assert time.monotonic() < patience and vm.running and EMERGENCY not in shown, shown[-4000:]
            time.sleep(1)
            shown = machine.console.read_text(errors="replace") if machine.console.exists() else ""
        return shown
    finally:
        vm.stop(0)


@pytest.mark.parametrize(("made", "root"), KINDS)
def test_it_boots_from_nvme_and_nothing_is_left_to_edit(tmp_path: Path, made: Kind, root: str) -> None:
    guest = build.build(made, tmp_path / "guest", cache=cache_directory(), log=print)
    disks = [GuestDisk("root", guest.disk, True)]
    firmware = made.firmware
    prepared = prepare(disks, Options("dhcp", os="linux", firmware=firmware), tmp_path / "work")
    (kernel,) = prepared.facts.kernels
    assert (kernel.version, kernel.packed) == (guest.kernel, ()), "VMware's initramfs had none of EC2's drivers"
    commit(prepared.disks, {"root": guest.disk})

    shown = boot(guest.disk, tmp_path, firmware, f"{kind.HOSTNAME} login:")
    told = converted.TOLD.search(shown)
    assert told and told.groups() == (root, "loaded", f"eth0={converted.ADDRESS}/24(dhcp)")

    again = prepare(disks, Options("keep", firmware=firmware), tmp_path / "again")
    assert again.edits == ()
    assert set(again.facts.kernels[0].packed) == DRIVERS
