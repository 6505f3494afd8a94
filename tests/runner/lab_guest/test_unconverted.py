"""Guests as they are, one for each initramfs tool: they boot on VMware's controller, and from NVMe find no root.

They have no serial console, so their VGA text screen is read out of QEMU's memory (cells of character and colour, 80 a
line; the screen scrolls through all 32 KiB).
"""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from runner.lab.guest import recipe, sample
from runner.lab.guest.kinds import build, kind
from runner.lab.provider import cache_directory

pytestmark = [pytest.mark.boot, pytest.mark.process]

_VGA_TEXT = 0xB8000
_CELLS = 16 * 1024
_SECONDS = 600.0  # emulated, on a busy machine
# On the worker that builds the same guest for its conversion; make test boots it once, converted.
_DRACUT = [pytest.mark.xdist_group("boot-xfs-on-lvm"), pytest.mark.slow]
_FIRST = "drive=d0,bootindex=0"
CONTROLLERS = {
    "nvme": ["-device", f"nvme,serial=root,{_FIRST}"],
    "pvscsi": ["-device", "pvscsi", "-device", f"scsi-hd,{_FIRST}"],
}
DATA = {"nvme": ["-device", "nvme,serial=data,drive=d1"], "pvscsi": ["-device", "scsi-hd,drive=d1"]}


def sample_disks(directory: Path) -> list[Path]:
    return [disk.path for disk in sample.build(directory, cache=cache_directory(), log=print).disks]


def dracut_disks(directory: Path) -> list[Path]:
    return [build.build(kind.XFS_ON_LVM, directory, cache=cache_directory(), log=print).disk]


def screen(monitor: Path, scratch: Path) -> str:
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(str(monitor))
        line.sendall(f'pmemsave {_VGA_TEXT:#x} {_CELLS * 2} "{scratch}"\n'.encode())
        time.sleep(0.5)
    shown = scratch.read_bytes()[::2].decode("cp437") if scratch.exists() else ""
    return "\n".join(shown[at : at + 80].rstrip() for at in range(0, len(shown), 80))


@pytest.mark.parametrize(
    ("make", "controller", "expected"),
    [
        (sample_disks, "nvme", "ALERT!  /dev/sda1 does not exist.  Dropping to a shell!"),
        pytest.param(sample_disks, "pvscsi", "web01 login:", marks=pytest.mark.slow),
        pytest.param(dracut_disks, "nvme", 'Warning: "/dev/mapper/vg00-root" does not exist', marks=_DRACUT),
        pytest.param(dracut_disks, "pvscsi", "app01 login:", marks=_DRACUT),
    ],
)
def test_the_guest_as_vmware_leaves_it(
    tmp_path: Path, make: Callable[[Path], list[Path]], controller: str, expected: str
) -> None:
    disks = make(tmp_path / "guest")
    drives = [word for at, disk in enumerate(disks) for word in ("-drive", f"if=none,id=d{at},format=raw,file={disk}")]
    monitor = tmp_path / "monitor"
    qemu = subprocess.Popen(
        ["qemu-system-x86_64", "-machine", "pc", "-accel", "tcg", "-m", "512", "-display", "none", "-vga", "std"]
        + ["-snapshot", "-monitor", f"unix:{monitor},server,nowait", "-nic", f"user,model=e1000,mac={recipe.MAC}"]
        + drives
        + CONTROLLERS[controller]
        + (DATA[controller] if len(disks) > 1 else [])
    )
    try:
        patience = time.monotonic() + _SECONDS
        shown = ""
        while expected not in shown:
            assert time.monotonic() < patience, shown
            assert qemu.poll() is None
            time.sleep(2)
            if monitor.exists():
                shown = screen(monitor, tmp_path / "vga")
    finally:
        qemu.kill()
        qemu.wait()
