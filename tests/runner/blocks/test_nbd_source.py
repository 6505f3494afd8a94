"""NBD exports of other people's servers as sources, on good days and bad ones."""

from __future__ import annotations

import errno
import os
import random
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from runner.blocks.copy import copy_disk
from runner.blocks.errors import ImageRefused, ReadFailed, ShortRead, SourceEmpty, SourceUnusable
from runner.blocks.extent import Extent, covering, merged
from runner.blocks.memory import MemoryDevice
from runner.blocks.nbd_source import NbdSource
from runner.blocks.source import open_source
from tests.runner.blocks.nbd_serving import nbdkit, qemu_nbd, serving, silent, uri

pytestmark = pytest.mark.process
MIB = 1024 * 1024


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """12 MiB: 3 of data, 6 of hole, 3 of data."""
    path = tmp_path / "disk.raw"
    chance = random.Random(11)
    with path.open("wb") as file:
        file.write(chance.randbytes(3 * MIB))
        file.seek(9 * MIB)
        file.write(chance.randbytes(3 * MIB))
    return path


def read(source: NbdSource, offset: int, length: int) -> bytes:
    buffer = bytearray(length)
    source.read_into(offset, memoryview(buffer))
    return bytes(buffer)


@pytest.mark.parametrize("server", ["qemu-nbd", "qemu-nbd for one", "nbdkit", "nbdkit without structured replies"])
def test_every_server_gives_the_disk(tmp_path: Path, disk: Path, server: str) -> None:
    at = tmp_path / "s"
    argv = {
        "qemu-nbd": qemu_nbd(disk, at, "--shared=8"),
        "qemu-nbd for one": qemu_nbd(disk, at),
        "nbdkit": nbdkit(at, "file", str(disk)),
        "nbdkit without structured replies": nbdkit(at, "--no-sr", "file", str(disk)),
    }[server]
    content = disk.read_bytes()
    with serving(argv, at):
        source = open_source(uri(at), "raw")
        assert isinstance(source, NbdSource) and source.size == len(content)
        extents = merged(covering(source.extents(), source.size))
        if server.endswith("replies"):
            assert extents == [Extent(0, source.size, "data")]
        else:
            assert extents == [
                Extent(0, 3 * MIB, "data"),
                Extent(3 * MIB, 6 * MIB, "hole"),
                Extent(9 * MIB, 3 * MIB, "data"),
            ]
        pieces = [(at, min(700_001, len(content) - at)) for at in range(0, len(content), 700_001)]
        with ThreadPoolExecutor(6) as pool:
            got = list(pool.map(lambda piece: read(source, *piece), pieces))
        assert b"".join(got) == content
        with pytest.raises(ShortRead):
            read(source, len(content) - 1, 2)
        source.close()
        source.close()


def test_a_server_of_sectors_is_asked_for_sectors(tmp_path: Path, disk: Path) -> None:
    at = tmp_path / "s"
    strict = [
        "--filter=blocksize-policy",
        "blocksize-minimum=4k",
        "blocksize-maximum=1M",
        "blocksize-error-policy=error",
    ]
    argv = nbdkit(at, strict[0], "file", str(disk), *strict[1:])
    content = disk.read_bytes()
    with serving(argv, at):
        source = NbdSource(uri(at))
        for offset, length in ((0, 1), (4095, 2), (10, 3 * MIB), (len(content) - 5, 5)):
            assert read(source, offset, length) == content[offset : offset + length]
        source.close()


def test_a_copy_over_nbd(tmp_path: Path, disk: Path) -> None:
    at, target = tmp_path / "s", MemoryDevice(12 * MIB)
    with serving(qemu_nbd(disk, at, "--shared=8"), at):
        source = NbdSource(uri(at))
        files = {"digests": tmp_path / "d", "checkpoint": tmp_path / "c"}
        result = copy_disk(source, target, disk="root", generation=1, blank=True, **files)
        source.close()
    assert bytes(target.content) == disk.read_bytes() and result.bytes_zero_skipped == 6 * MIB


def test_a_server_that_dies_is_a_failed_read_with_its_place(tmp_path: Path, disk: Path) -> None:
    at, target = tmp_path / "s", MemoryDevice(12 * MIB)
    with serving(nbdkit(at, "--filter=delay", "file", str(disk), "rdelay=5"), at) as server:
        source = NbdSource(uri(at))
        files = {"digests": tmp_path / "d", "checkpoint": tmp_path / "c"}
        with ThreadPoolExecutor(1) as pool:
            copying = pool.submit(copy_disk, source, target, disk="root", generation=1, **files)
            time.sleep(0.1)
            server.kill()
            with pytest.raises(ReadFailed) as failed:
                copying.result(timeout=30)
        source.close()
    assert failed.value.location == uri(at) and failed.value.offset % (512 * 1024) == 0


def test_a_map_that_cannot_be_read_is_a_failed_read(tmp_path: Path, disk: Path) -> None:
    at, target = tmp_path / "s", MemoryDevice(12 * MIB)
    argv = nbdkit(at, "--filter=error", "file", str(disk), "error-extents=EIO", "error-extents-rate=100%")
    with serving(argv, at):
        source = NbdSource(uri(at))
        with pytest.raises(ReadFailed) as failed:
            copy_disk(source, target, disk="root", generation=1, digests=tmp_path / "d", checkpoint=tmp_path / "c")
        source.close()
    assert (failed.value.location, failed.value.offset) == (uri(at), 0)


def test_a_read_error_of_the_server_is_told_and_the_next_read_works(tmp_path: Path, disk: Path) -> None:
    at, broken = tmp_path / "s", tmp_path / "broken"
    broken.touch()
    argv = nbdkit(
        at, "--filter=error", "file", str(disk), "error-pread=EIO", "error-pread-rate=100%", f"error-file={broken}"
    )
    with serving(argv, at):
        source = NbdSource(uri(at))
        with pytest.raises(OSError, match="Input/output error") as failed:
            read(source, 0, 4096)
        assert failed.value.errno == errno.EIO
        broken.unlink()
        assert read(source, 0, 4096) == disk.read_bytes()[:4096]
        source.close()


def test_a_silent_server_is_given_up(tmp_path: Path) -> None:
    with silent(tmp_path / "s"):
        began = time.monotonic()
        with pytest.raises(SourceUnusable, match="timed out"):
            NbdSource(uri(tmp_path / "s"), silence_seconds=0.3)
        assert time.monotonic() - began < 5


def test_a_server_that_falls_silent_is_given_up(tmp_path: Path, disk: Path) -> None:
    at = tmp_path / "s"
    with serving(nbdkit(at, "--filter=delay", "file", str(disk), "rdelay=30"), at):
        source = NbdSource(uri(at), silence_seconds=5)
        with pytest.raises(TimeoutError):
            read(source, 0, 4096)
        source.close()


def test_what_is_no_export_is_refused(tmp_path: Path, disk: Path) -> None:
    at = tmp_path / "s"
    with pytest.raises(SourceUnusable) as refused:
        NbdSource(uri(tmp_path / "nobody"))
    assert refused.value.exit_code == 3 and refused.value.reason
    with serving(nbdkit(at, "null", "size=0"), at), pytest.raises(SourceEmpty):
        NbdSource(uri(at))
    with serving(qemu_nbd(disk, at, "--export-name=root"), at), pytest.raises(SourceUnusable):
        NbdSource(uri(at, "other"))
    with pytest.raises(ImageRefused, match="raw disk"):
        open_source(uri(at), "qcow2")


def test_tls_without_a_server_that_speaks_it_is_refused(tmp_path: Path, disk: Path) -> None:
    at = tmp_path / "s"
    with serving(qemu_nbd(disk, at), at), pytest.raises(SourceUnusable):
        NbdSource(uri(at).replace("nbd+", "nbds+"))


def test_nothing_is_left_open(tmp_path: Path, disk: Path) -> None:
    at = tmp_path / "s"
    before = len(os.listdir("/proc/self/fd"))
    with serving(qemu_nbd(disk, at, "--shared=8"), at):
        for _ in range(3):
            source = NbdSource(uri(at))
            with ThreadPoolExecutor(8) as pool:
                list(pool.map(read, [source] * 64, range(0, 64 * 4096, 4096), [4096] * 64))
            source.close()
        left = len(os.listdir("/proc/self/fd"))
    assert left - before <= 1  # the server's own standard error
