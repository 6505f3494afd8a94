"""Whether QEMU can use KVM here."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

from runner.process import Leashed

_PROBE_SECONDS = 1.0


@cache
def kvm_works() -> bool:
    """/dev/kvm may exist and yet be unusable, so a guest is started for a second; asked once a process."""
    if not Path("/dev/kvm").exists():
        return False
    probe = Leashed(
        ["qemu-system-x86_64", "-accel", "kvm", "-cpu", "host", "-nodefaults", "-display", "none", "-m", "64"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        probe.wait(_PROBE_SECONDS)
    except subprocess.TimeoutExpired:
        return True
    finally:
        probe.end()
    return False
