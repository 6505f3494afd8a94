"""The state of a volume from what ntfs-3g 2022.10.3 printed about volumes in that state, and hiberfil.sys."""

from __future__ import annotations

import pytest

from runner.guest.refusals import FileSystemDamaged
from runner.guest.windows.facts import Volume
from runner.guest.windows.volume import fault, state

INFO = "Volume Information \n\tDevice state: 11\n\tVolume State: 91\n\tVolume Flags: {flags}\n\tVolume Version: 3.1\n"
CLEAN = "probe: 0\n" + INFO.format(flags="0x0000")
UNCLEAN = "The disk contains an unclean file system (0, 0).\nprobe: 15\n" + INFO.format(flags="0x0000")
DIRTY = "probe: 0\nWARNING: Forced mount, reset $LogFile.\n" + INFO.format(flags="0x0001 DIRTY")
ASLEEP = "Windows is hibernated, refused to mount.\nprobe: 14\n" + INFO.format(flags="0x0000")


@pytest.mark.parametrize(
    ("said", "signature", "volume", "told"),
    [
        (CLEAN, b"", Volume("/dev/sda1", False, False, ""), ""),
        (CLEAN, b"wake", Volume("/dev/sda1", False, False, ""), ""),
        (CLEAN, b"\0\0\0\0", Volume("/dev/sda1", False, False, ""), ""),
        (CLEAN, b"hibr", Volume("/dev/sda1", False, False, "hibernated"), "fast startup"),
        (CLEAN, b"HIBR", Volume("/dev/sda1", False, False, "hibernated"), "hibernated"),
        (CLEAN, b"RSTR", Volume("/dev/sda1", False, False, "resuming"), "waking"),
        (ASLEEP, b"", Volume("/dev/sda1", False, False, "hibernated"), "hibernated"),
        (UNCLEAN, b"", Volume("/dev/sda1", False, True, ""), "log holds work"),
        (DIRTY, b"", Volume("/dev/sda1", True, False, ""), "chkdsk"),
        (CLEAN.replace("0x0000", "0x4000"), b"", Volume("/dev/sda1", True, False, ""), "chkdsk"),
        (CLEAN.replace("0x0000", "0x8080"), b"", Volume("/dev/sda1", False, False, ""), ""),
    ],
)
def test_each_state_is_told(said, signature, volume, told):
    found = state("/dev/sda1", said, signature)
    assert found == volume
    assert (fault(found) == "") == (told == "") and told in fault(found)


@pytest.mark.parametrize("said", ["", "probe: 13\n" + INFO.format(flags="0x0000"), "probe: 0\nFailed to open\n"])
def test_a_volume_that_the_tools_cannot_read_is_damaged(said):
    with pytest.raises(FileSystemDamaged):
        state("/dev/sda1", said, b"")
