"""Headers of qcow2, VHD and VHDX with any bytes changed: refused, or a size within bounds; never another error."""

from __future__ import annotations

import os
import random
import struct
import subprocess
import zlib
from pathlib import Path
from types import SimpleNamespace

import pytest

from runner.blocks.errors import ImageRefused
from runner.blocks.qcow2_header import check_qcow2
from runner.blocks.vhd_header import check_vhd
from runner.blocks.vhdx_header import check_vhdx
from tests.runner.blocks.test_qemu_image import sealed

pytestmark = pytest.mark.process
MIB = 1024 * 1024
MOST = 64 << 40
# Where each format keeps its own structures: (from, to); negative ones count from the end.
PLACES = {
    "qcow2": [(0, 112), (112, 1024)],
    "vhd": [(0, 512), (512, 1536), (1536, 1600), (-512, 0)],
    "vhdx": [(0, 8), (65536, 65616), (131072, 131152), (196608, 196800), (2 * MIB, 2 * MIB + 512)],
}
CHECKS = {"qcow2": check_qcow2, "vhd": check_vhd, "vhdx": check_vhdx}
EXTREMES = (0, 1, 7, 0x7F, 0x80, 0xFF)


def file_of(content: bytes) -> SimpleNamespace:
    """As much of a file as the checks need."""

    def read_into(offset: int, buffer: memoryview) -> None:
        buffer[:] = content[offset : offset + len(buffer)]

    return SimpleNamespace(path="image", size=len(content), read_into=read_into)


def mended(format: str, image: bytearray) -> bytes:
    """With right checksums again, so that what was changed is looked at."""
    if format == "vhd":
        image[-512:] = _summed(image[-512:], 64)
        image[:512] = image[-512:]
        image[512:1536] = _summed(image[512:1536], 36)
    if format == "vhdx":
        for at in (65536, 131072):
            image[at : at + 4096] = sealed(bytes(image[at : at + 4096]))
    return bytes(image)


def _summed(part: bytearray, at: int) -> bytes:
    part[at : at + 4] = bytes(4)
    part[at : at + 4] = struct.pack(">I", ~sum(part) & 0xFFFFFFFF)
    return bytes(part)


@pytest.mark.parametrize("format", CHECKS)
def test_no_change_gets_through_as_another_error(tmp_path: Path, format: str) -> None:
    path = tmp_path / "image"
    driver = {"vhd": "vpc"}.get(format, format)
    subprocess.run(["qemu-img", "create", "-q", "-f", driver, str(path), "5M"], check=True, timeout=60)
    with path.open("ab") as file:
        file.truncate(max(4 * MIB, os.path.getsize(path)) if format == "vhdx" else os.path.getsize(path))
    good = path.read_bytes()
    assert 5 * MIB <= CHECKS[format](file_of(good)) < 6 * MIB
    chance = random.Random(zlib.crc32(format.encode()))
    refused = passed = 0
    for _ in range(60 if format == "vhdx" else 800):
        image = bytearray(good)
        low, high = chance.choice(PLACES[format])
        at = chance.randrange(low, high) % len(image)
        for byte in range(chance.choice((1, 1, 2, 4, 8))):
            image[(at + byte) % len(image)] = chance.choice((*EXTREMES, chance.randrange(256)))
        try:
            assert 0 < CHECKS[format](file_of(mended(format, image))) <= MOST
            passed += 1
        except ImageRefused as error:
            assert error.field and error.rule
            refused += 1
    assert refused and passed
