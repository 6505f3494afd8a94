"""The sample guest as it is: it boots on VMware's controller, and from NVMe it cannot find its root.

It has no serial console, so its VGA text screen is read out of QEMU's memory (cells of character and colour, 80 a
line; the screen scrolls through all 32 KiB).
"""

from __future__ import annotations

import socket
import subprocess
import time
from pathlib import Path

import pytest

from runner.lab.guest.sample import build
from runner.lab.provider import cache_directory

pytestmark = [pytest.mark.boot, pytest.mark.process]

_VGA_TEXT = 0xB8000
_CELLS = 16 * 1024
_SECONDS = 600.0  # emulated, on a busy machine
CONTROLLERS = {
    "nvme": ["-device", "nvme,serial=root,drive=d0,bootindex=0", "-device", "nvme,serial=data,drive=d1"],
    "pvscsi": ["-device", "pvscsi", "-device", "scsi-hd,drive=d0,bootindex=0", "-device", "scsi-hd,drive=d1"],
}


def screen(monitor: Path, scratch: Path) -> str:
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(str(monitor))
        line.sendall(f'pmemsave {_VGA_TEXT:#x} {_CELLS * 2} "{scratch}"\n'.encode())
        time.sleep(0.5)
    shown = scratch.read_bytes()[::2].decode("cp437") if scratch.exists() else ""
    return "\n".join(shown[at : at + 80].rstrip() for at in range(0, len(shown), 80))


@pytest.mark.parametrize(
    ("controller", "expected"),
    [
        ("nvme", "ALERT!  /dev/sda1 does not exist.  Dropping to a shell!"),
        pytest.param("pvscsi", "web01 login:", marks=pytest.mark.slow),
    ],
)
def test_the_guest_as_vmware_leaves_it(tmp_path: Path, controller: str, expected: str) -> None:
    guest = build(tmp_path / "guest", cache=cache_directory(), log=print)
    drives = [
        word
        for at, disk in enumerate(guest.disks)
        for word in ("-drive", f"if=none,id=d{at},format=raw,file={disk.path}")
    ]
    monitor = tmp_path / "monitor"
    qemu = subprocess.Popen(
        ["qemu-system-x86_64", "-machine", "pc", "-accel", "tcg", "-m", "512", "-display", "none", "-vga", "std"]
        + ["-snapshot", "-monitor", f"unix:{monitor},server,nowait", "-nic", f"user,model=e1000,mac={guest.mac}"]
        + drives
        + CONTROLLERS[controller]
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
