from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from runner.blocks.buffers import aligned_buffer
from runner.blocks.compare import compare
from runner.blocks.device import open_device
from runner.blocks.errors import DeviceBusy, DeviceMissing, DeviceUnusable, ShortRead
from runner.blocks.memory import MemorySource
from runner.blocks.source import open_source

MIB = 1024 * 1024


def test_what_is_no_disk_is_refused(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    cases = {tmp_path / "missing": DeviceMissing, tmp_path: DeviceUnusable, fifo: DeviceUnusable}
    for path, error in cases.items():
        with pytest.raises(error) as caught:
            open_device(str(path))
        assert caught.value.exit_code == 3 and str(path) in caught.value.sentence


def test_a_by_id_link_is_followed(tmp_path):
    (tmp_path / "disk").write_bytes(bytes(5000))
    (tmp_path / "by-id").symlink_to("disk")
    device = open_device(str(tmp_path / "by-id"))
    assert device.size == 5000
    assert device.identity().path == str(tmp_path / "by-id")
    assert device.identity().inode == (tmp_path / "disk").stat().st_ino


@pytest.mark.parametrize("offset", [0, 1, 4096, 5000, 8192])
@pytest.mark.parametrize("length", [1, 511, 4096, 10_000, 12_288])
@pytest.mark.parametrize("aligned", [True, False])
def test_writes_of_any_place_and_length_land_exactly(tmp_path, offset, length, aligned):
    path = tmp_path / "disk"
    before = os.urandom(30_001)
    path.write_bytes(before)
    data = os.urandom(length)
    buffer = aligned_buffer(16_384)[:length] if aligned else memoryview(bytearray(length + 1))[1:]
    buffer[:] = data
    device = open_device(str(path))
    device.write(offset, buffer)
    device.flush()
    back = aligned_buffer(16_384)[:length]
    device.read_into(offset, back)
    device.close()
    device.close()
    assert bytes(back) == data
    assert path.read_bytes() == before[:offset] + data + before[offset + length :]


def test_a_read_behind_the_end_is_short(tmp_path):
    path = tmp_path / "disk"
    path.write_bytes(b"x" * 10_000)
    device = open_device(str(path))
    with pytest.raises(ShortRead) as caught:
        device.read_into(4096, aligned_buffer(8192))
    assert caught.value.got == 10_000 - 4096


@pytest.mark.parametrize(("offset", "length"), [(0, 4096), (1, 10_000), (4096, 8192), (0, 3 * MIB), (100, 1)])
def test_zeroes_are_written_exactly_and_the_size_stays(tmp_path, offset, length):
    path = tmp_path / "disk"
    path.write_bytes(b"\xff" * (3 * MIB))
    device = open_device(str(path))
    device.write_zeroes(offset, length)
    device.close()
    assert path.read_bytes() == b"\xff" * offset + bytes(length) + b"\xff" * (3 * MIB - offset - length)


def losetup(*arguments: str) -> str:
    return subprocess.run(["losetup", *arguments], capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture(params=[512, 4096])
def loop(request, tmp_path):
    """A loop device of 12 MiB and 512 bytes (or a sector) with direct I/O beneath, full of 0xee."""
    if os.geteuid() != 0:
        pytest.skip("loop devices need root")
    backing = tmp_path / "backing"
    backing.write_bytes(b"\xee" * (12 * MIB + request.param))
    try:
        name = losetup("--find", "--show", "--sector-size", str(request.param), str(backing))
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no loop device: {error.stderr.strip()}")
    yield Path(name)
    losetup("--detach", name)


@pytest.mark.process
@pytest.mark.parametrize("size", [12 * MIB, 12 * MIB + 512, 9 * MIB + 1234, 3])
def test_a_block_device_takes_any_source(bench, loop, size, tmp_path):
    device = open_device(str(loop))
    if size > device.size:
        size = device.size
    assert device.is_direct
    image = tmp_path / "image"
    content = bytes(MemorySource.from_picture("DD0-D0" * 4, 512 * 1024, seed=size).content) + os.urandom(4096)
    image.write_bytes(content[:size])
    result = bench.copy(open_source(str(image), "raw"), device, verify="full")
    device.close()
    assert result.bytes_data + result.bytes_zero_written == size
    target = loop.read_bytes()
    assert target[:size] == content[:size]
    assert target[size:] == b"\xee" * len(target[size:])
    bench.check_digests(content[:size])
    assert compare(str(image), str(loop), size) == []
    # and back, with the block device as the source
    copy_back = tmp_path / "back"
    copy_back.write_bytes(bytes(len(target)))
    bench.checkpoint.unlink()
    bench.copy(open_source(str(loop), "raw"), open_device(str(copy_back)))
    assert copy_back.read_bytes() == target


@pytest.mark.process
@pytest.mark.parametrize(("offset", "length"), [(0, MIB), (512, 512), (100, 10_000), (MIB - 1, MIB), (12 * MIB, 512)])
def test_a_block_device_is_zeroed_exactly(loop, offset, length):
    device = open_device(str(loop))
    device.write_zeroes(offset, length)
    device.flush()
    device.close()
    content = loop.read_bytes()
    rest = len(content) - offset - length
    assert content == b"\xee" * offset + bytes(length) + b"\xee" * rest


@pytest.mark.process
def test_a_block_device_is_ours_alone_until_it_is_closed(loop):
    device = open_device(str(loop))
    with pytest.raises(DeviceBusy):
        open_device(str(loop))
    device.close()
    open_device(str(loop)).close()
