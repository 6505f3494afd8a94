"""A conversion without an appliance: real overlays, made by qemu's own tools, of a guest that nobody looks into.

The kill table needs the conversion's effects (an overlay a disk, its clusters, the commit), hundreds of times.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from runner.guest import overlay
from runner.guest.conversion import GuestDisk, Prepared
from runner.guest.edits import Edit
from runner.guest.facts import GuestFacts, Options
from runner.guest.redo import InjectedDisk

CLUSTER = 512 * 1024
# Byte offsets at which each disk is changed, and with what.
INJECTED = {1 << 20: 0xA1, 40 << 20: 0xA2, 63 << 20: 0xA3}

_FACTS = GuestFacts("linux", "quick", "1", "A guest of the tests", ("bios",), "/dev/sda1", 2, (), (), (), (), ())


def inspect(_disks: Sequence[GuestDisk], _work: Path, _luks_keys: tuple[str, ...] = ()) -> GuestFacts:
    """What this guest always is."""
    return _FACTS


def check(_facts: GuestFacts, _options: Options) -> None:
    """It is always accepted."""


def prepare(disks: Sequence[GuestDisk], _options: Options, work: Path) -> Prepared:
    """An overlay a disk in `work`, with `INJECTED` in it."""
    work.mkdir(parents=True, exist_ok=True)
    made = tuple(_overlay(disk, work / f"overlay-{disk.id}.qcow2") for disk in disks)
    return Prepared(_FACTS, (Edit("/etc/fstab", "rewritten", "because the test says so"),), made)


def injected(source: bytes) -> bytes:
    """What a disk holds after the commit: its source, changed at `INJECTED`."""
    changed = bytearray(source)
    for at, byte in INJECTED.items():
        changed[at : at + 4096] = bytes([byte]) * 4096
    return bytes(changed)


def _overlay(disk: GuestDisk, path: Path) -> InjectedDisk:
    path.unlink(missing_ok=True)
    size = overlay.size_of(disk.device)
    options = ["-o", f"cluster_size={CLUSTER}"]
    device = str(disk.device.resolve())
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", device, *options, path], check=True)
    writes = [word for at, byte in INJECTED.items() for word in ("-c", f"write -P {byte} {at} 4096")]
    subprocess.run(["qemu-io", "-f", "qcow2", *writes, path], check=True, stdout=subprocess.DEVNULL)
    return InjectedDisk(disk.id, path, size, overlay.injected(path, size))
