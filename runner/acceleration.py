"""Whether KVM really runs a virtual CPU here. /dev/kvm may exist and yet be of no use (nested, or a foreign owner)."""

from __future__ import annotations

import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Literal

from runner.process import Leashed

Accelerator = Literal["kvm", "tcg"]

QEMU = "qemu-system-x86_64"
_SECONDS = 10.0  # a working KVM needs 0.2 s; a broken one fails at once or hangs
_ROM_BYTES = 64 * 1024
_RESET = 0xFFF0  # where an x86 CPU starts in the last 64 KiB below 4 GiB
_CODE = bytes.fromhex("b010e6f4f4ebfd")  # mov al, 0x10; out 0xf4, al; hlt; jmp back to hlt
_EXIT_CODE = (0x10 << 1) | 1  # isa-debug-exit ends QEMU with (value << 1) | 1


@cache
def accelerator() -> Accelerator:
    """`kvm` when a guest's instructions run under it, else `tcg`. Asked once in a process."""
    return "kvm" if runs("kvm") else "tcg"


def runs(kind: Accelerator) -> bool:
    """Start QEMU with an accelerator and a firmware of seven bytes, and see those bytes run.

    With the CPU model that appliance and lab use: a nested KVM was seen that runs qemu64 and aborts on `max`
    ("failed to set MSR 0x10a").
    """
    with tempfile.TemporaryDirectory(prefix="hotadd-vcpu-") as directory:
        rom = Path(directory) / "rom"
        rom.write_bytes((bytes(_RESET) + _CODE).ljust(_ROM_BYTES, b"\0"))
        child = Leashed(
            [QEMU, "-accel", kind, "-cpu", "max", "-nodefaults", "-display", "none", "-m", "16", "-bios", str(rom)]
            + ["-device", "isa-debug-exit,iobase=0xf4,iosize=4"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            return child.wait(_SECONDS) == _EXIT_CODE
        except subprocess.TimeoutExpired:
            return False
        finally:
            child.end()
