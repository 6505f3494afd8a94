"""The real dirty hive with its real logs, replayed by us and by two readers that share no code with us."""

from __future__ import annotations

import lzma
import struct
from io import BytesIO
from pathlib import Path

import pytest
from regipy.recovery import apply_transaction_logs
from Registry.RegistryLog import RegistryLog

from runner.guest.windows.refusals import HiveBroken
from runner.guest.windows.replay import ready

pytestmark = pytest.mark.thorough

SHARED = Path(__file__).resolve().parents[5] / "shared" / "hives"


@pytest.fixture(scope="module")
def dirty() -> tuple[bytes, bytes, bytes]:
    if not SHARED.is_dir():
        pytest.skip("shared/ does not lie beside this checkout")
    names = ("SYSTEM_B", "SYSTEM_B.LOG1", "SYSTEM_B.LOG2")
    hive, log1, log2 = (lzma.decompress((SHARED / f"regipy_{name}.xz").read_bytes()) for name in names)
    return hive, log1, log2


def test_it_is_as_python_registry_replays_it(dirty: tuple[bytes, bytes, bytes]) -> None:
    hive, log1, log2 = dirty
    beside = BytesIO(hive)
    last = RegistryLog(beside, BytesIO(log1)).recover_hive()
    beside.seek(0)
    last = RegistryLog(beside, BytesIO(log2)).recover_hive_continue(last + 1)
    ours = ready(hive, log1, log2)
    assert ours[4096:] == beside.getvalue()[4096:]
    assert ours[4096:] != hive[4096:]
    # The same base block too, but for the two numbers, which are one more than the last entry, and their checksum.
    assert struct.unpack_from("<II", ours, 4) == (last + 1, last + 1)
    assert ours[12:508] == beside.getvalue()[12:508]


def test_it_is_as_regipy_replays_it(dirty: tuple[bytes, bytes, bytes], tmp_path: Path) -> None:
    for name, content in zip(("hive", "log1", "log2"), dirty, strict=True):
        (tmp_path / name).write_bytes(content)
    # regipy replays the one that it calls secondary first, and does not look at the numbers.
    apply_transaction_logs(
        *(str(tmp_path / name) for name in ("hive", "log2", "log1")), restored_hive_path=str(tmp_path / "out")
    )
    assert ready(*dirty)[4096:] == (tmp_path / "out").read_bytes()[4096:]


@pytest.mark.parametrize("place", [512 + 0x4000, 0x55000 + 100, 0x1F4000 + 3000])
def test_a_broken_bit_before_the_end_is_refused(dirty: tuple[bytes, bytes, bytes], place: int) -> None:
    hive, log1, log2 = dirty
    broken = bytearray(log2)
    broken[place] ^= 4
    with pytest.raises(HiveBroken):
        ready(hive, log1, bytes(broken))
