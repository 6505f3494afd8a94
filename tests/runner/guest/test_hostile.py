"""Hostile guests: nothing outside the guest changes, and the run ends soon, in a refusal that says why."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from runner.guest import initramfs
from runner.guest.appliance import Appliance
from runner.guest.apply import apply
from runner.guest.conversion import GuestDisk, overlaid
from runner.guest.facts import Options
from runner.guest.families import table
from runner.guest.probe import probe
from runner.guest.refusals import ConversionFailed, GuestProgramEndless
from schemas.errors import HotaddError
from tests.runner.guest import hostile

pytestmark = [
    pytest.mark.guestfs,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root has rights to give up"),
]

SECONDS = 60.0  # for one guest, on a busy machine with an emulated CPU
# The word of the refusal, or "" where the guest is converted as if the trap were not there.
OUTCOMES = {
    "links out, loops, hard links, devices, FIFOs, odd names": "",
    "an fstab that leads out of the guest": "another guest's system",
    "an etc that is a file": "another guest's system",
    "a sparse fstab of 10 GB": "FileTooBig",
    "a sparse modules.dep of 10 GB": "FileTooBig",
    "a FIFO to write to": "NoPlainFile",
    "a disk to write to": "NoPlainFile",
    "a crowd of names": "DirectoryTooBig",
}


def state(directory: Path) -> dict[str, tuple[int, bytes]]:
    """Every file of a directory with its time and bytes."""
    return {p.name: (p.stat().st_mtime_ns, p.read_bytes()) for p in sorted(directory.iterdir())}


def convert(appliance: Appliance, disks: int, boot: int) -> str:
    """Convert one of the guests; the class of what refused it."""
    try:
        facts = probe(appliance, disks, boot)
        if facts.root != f"/dev/sd{'abcdefgh'[boot]}1":
            return "another guest's system"
        edits = apply(appliance, table.decide(facts, Options("dhcp")).steps, facts.root, None)
        assert "/boot/grub/grub.cfg" in [edit.path for edit in edits]
        assert appliance.size("/boot/grub/grub.cfg.hotadd")
    except HotaddError as error:
        print(error.sentence)
        return type(error).__name__
    finally:
        appliance.unmount_all()
    return ""


def test_traps(tmp_path: Path) -> None:
    sentinel = tmp_path / "sentinel"
    sentinel.mkdir()
    (sentinel / "file").write_text("GRUB_CMDLINE_LINUX=host\n")
    disks = []
    for number, (name, trap) in enumerate(hostile.traps(sentinel).items()):
        path = tmp_path / f"{number}.raw"
        hostile.build(path, number, trap)
        disks.append(GuestDisk(name, path, number == 0))
    before = state(sentinel), [(disk.device.stat().st_mtime_ns) for disk in disks if isinstance(disk.device, Path)]
    found, took = {}, {}
    with overlaid(disks, tmp_path / "work") as (_, overlays), Appliance(overlays) as appliance:
        for number, disk in enumerate(disks):
            began = time.monotonic()
            found[disk.id] = convert(appliance, len(disks), number)
            took[disk.id] = time.monotonic() - began
    assert found == OUTCOMES
    assert max(took.values()) < SECONDS, took
    assert before == (state(sentinel), [(d.device.stat().st_mtime_ns) for d in disks if isinstance(d.device, Path)])


@pytest.mark.parametrize(
    ("code", "refusal"),
    [(hostile.SLEEPS, GuestProgramEndless), pytest.param(hostile.PRINTS, HotaddError, marks=pytest.mark.slow)],
    ids=["sleeps", "prints"],
)
def test_a_program_of_the_guest_that_never_ends(
    code: bytes, refusal: type[HotaddError], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(initramfs, "_LISTING_SECONDS", 15.0)
    disk = tmp_path / "disk.raw"
    hostile.build(disk, 0, hostile.program(code))
    with (
        overlaid([GuestDisk("root", disk, True)], tmp_path / "work") as (_, overlays),
        pytest.raises(refusal, match="lsinitramfs") as refused,
        Appliance(overlays) as appliance,
    ):
        probe(appliance, 1, 0)
    assert isinstance(refused.value, GuestProgramEndless | ConversionFailed)
