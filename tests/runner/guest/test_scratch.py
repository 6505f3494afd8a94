"""A full disk where guests are converted: QEMU would pause the appliance for as long as nobody makes room."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.guest import conversion
from runner.guest.conversion import GuestDisk, Options, prepare
from runner.guest.refusals import ScratchFull

pytestmark = [pytest.mark.process, pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")]
MIB = 1024 * 1024


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "none", place], check=True, timeout=60)
    yield place
    subprocess.run(["umount", place], check=True, timeout=60)


def test_a_conversion_without_room_is_not_begun(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversion, "_SCRATCH", small)
    disk = tmp_path / "disk.raw"
    disk.write_bytes(bytes(MIB))
    with pytest.raises(ScratchFull) as full:
        prepare([GuestDisk("root", disk, True)], Options("dhcp"), tmp_path / "work")
    assert full.value.sentence.startswith(f"{small} has 64 MiB free; ") and full.value.exit_code == 1
    assert list(small.iterdir()) == [] and not list(tmp_path.glob("work/*"))
