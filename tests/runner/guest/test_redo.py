"""Commit, on overlays that QEMU wrote; QEMU itself says what the disk must hold afterwards."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from blake3 import blake3

from runner.guest import overlay, redo
from runner.guest.refusals import OverlayDamaged

pytestmark = pytest.mark.guestfs  # needs the qemu tools

CLUSTER = 524288
SIZE = 8 * CLUSTER + 4096
# (offset, length, byte to write or None for a write of zeroes)
WRITES = [
    (4096, 512, 7),
    (CLUSTER - 512, 1024, 9),
    (3 * CLUSTER, CLUSTER, None),
    (SIZE - 512, 512, 5),
    (5 * CLUSTER, 4096, None),
]
TOUCHED = [0, 1, 3, 5, 8]

COMMIT = """
import json, resource, signal, sys
from pathlib import Path
from runner.guest import overlay, redo
path, device, size, most = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
disk = redo.InjectedDisk("root", path, size, overlay.injected(path, size))
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
redo.commit([disk], {"root": device})
"""


def qemu(*argv: object) -> str:
    return subprocess.run([str(a) for a in argv], check=True, capture_output=True, text=True, timeout=60).stdout


@pytest.fixture
def prepared(tmp_path: Path) -> tuple[redo.InjectedDisk, Path, bytes]:
    """An injected disk, its untouched device, and the bytes the device must hold afterwards (as QEMU says)."""
    device, path, flat = tmp_path / "device", tmp_path / "overlay.qcow2", tmp_path / "flat"
    device.write_bytes(random.Random(1).randbytes(SIZE))
    qemu("qemu-img", "create", "-f", "qcow2", "-F", "raw", "-b", device, "-o", "cluster_size=524288", path)
    commands = [f"write -P {byte} {at} {n}" if byte is not None else f"write -z {at} {n}" for at, n, byte in WRITES]
    qemu("qemu-io", "-f", "qcow2", *(part for c in commands for part in ("-c", c)), path)
    qemu("qemu-img", "convert", "-f", "qcow2", "-O", "raw", path, flat)
    return redo.InjectedDisk("root", path, SIZE, overlay.injected(path, SIZE)), device, flat.read_bytes()


def test_the_clusters_are_those_qemu_img_lists(prepared):
    disk, _, _ = prepared
    mapped = json.loads(qemu("qemu-img", "map", "--output=json", "-f", "qcow2", disk.overlay))
    listed = {b for m in mapped if m["depth"] == 0 for b in range(m["start"], m["start"] + m["length"], CLUSTER)}
    assert {c.offset for c in disk.clusters} == listed == {number * CLUSTER for number in TOUCHED}


def test_commit_leaves_what_qemu_reads_and_changes_the_injected_blocks_only(prepared):
    disk, device, expected = prepared
    before = device.read_bytes()
    redo.commit([disk], {"root": device})
    after = device.read_bytes()
    assert after == expected
    differing = [n for n in range(9) if before[n * CLUSTER :][:CLUSTER] != after[n * CLUSTER :][:CLUSTER]]
    assert differing == [c.offset // CLUSTER for c in disk.clusters]


def test_after_digests_are_those_of_the_blocks_padded_to_512_kib(prepared):
    disk, _, expected = prepared
    blocks = [expected[c.offset :][:CLUSTER].ljust(CLUSTER, b"\0") for c in disk.clusters]
    assert [c.digest_hex for c in disk.clusters] == [blake3(block).digest()[:16].hex() for block in blocks]
    assert disk.clusters[-1].length == 4096


@pytest.mark.parametrize("most", [0, 4096, CLUSTER, CLUSTER + 100, 3 * CLUSTER + 1, SIZE - 1])
def test_a_commit_killed_at_any_byte_is_done_again_to_the_same_end(prepared, most):
    disk, device, expected = prepared
    argv = [sys.executable, "-c", COMMIT, str(disk.overlay), str(device), str(SIZE), str(most)]
    killed = subprocess.run(argv, timeout=60, capture_output=True, text=True, cwd=Path(__file__).parents[3])
    # The kernel ends the process at the first byte past the limit; a write that only reaches over it is cut there.
    assert killed.returncode == -signal.SIGXFSZ, killed.stderr
    assert device.read_bytes() != expected
    redo.commit([disk], {"root": device})
    assert device.read_bytes() == expected
    redo.commit([disk], {"root": device})
    assert device.read_bytes() == expected


def test_a_damaged_overlay_is_seen_before_the_first_write(prepared):
    disk, device, _ = prepared
    before = device.read_bytes()
    with disk.overlay.open("r+b") as file:
        file.seek(-100, os.SEEK_END)
        file.write(b"\xff" * 50)
    with pytest.raises(OverlayDamaged):
        redo.commit([disk], {"root": device})
    disk.overlay.unlink()
    with pytest.raises(OverlayDamaged, match="gone"):
        redo.commit([disk], {"root": device})
    assert device.read_bytes() == before


def test_a_larger_device_keeps_its_end(prepared, tmp_path):
    disk, device, expected = prepared
    with device.open("ab") as file:
        file.write(b"\x11" * 1000)
    redo.commit([disk], {"root": device})
    assert device.read_bytes() == expected + b"\x11" * 1000
