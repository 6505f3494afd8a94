"""The matrix: the target holds the source's bytes, the digest file their digests, and nothing else is touched."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from blake3 import blake3

from runner.blocks.compare import compare
from runner.blocks.device import open_device
from runner.blocks.errors import DeviceTooSmall, IntegrityViolated, ReadBackDiffers, SameDisk, Stopped
from runner.blocks.memory import MemoryDevice, MemorySource
from runner.blocks.source import open_source

BLOCK = 512 * 1024
MIB = 1024 * 1024


@pytest.mark.parametrize("size", [1, 3, 511, 512, 4095, 4097, BLOCK - 1, BLOCK, BLOCK + 1, 4 * BLOCK, 9 * BLOCK + 513])
@pytest.mark.parametrize("seed", [0, 1])
def test_any_size_is_copied_and_digested(bench, size, seed):
    letters = "D" * (size // BLOCK + 1) if seed else "D0" * (size // BLOCK + 1)
    content = bytes(MemorySource.from_picture(letters, BLOCK, seed=size).content[:size])
    device = MemoryDevice(size + 1000, fill=b"\xaa")
    result = bench.copy(MemorySource(content), device)
    assert device.content[:size] == content
    assert device.content[size:] == b"\xaa" * 1000
    assert result.bytes_total == size == result.bytes_data + result.bytes_zero_written
    bench.check_digests(content)


@pytest.mark.parametrize("picture", ["D", "-", "Z", "0", "D-D", "-D-", "DD--ZZ00DD", "D0" * 9, "DZ-0" * 4])
@pytest.mark.parametrize("unit", [4096, BLOCK, 700_001])
def test_a_full_device_is_overwritten_with_zeroes_and_data(bench, picture, unit):
    source = MemorySource.from_picture(picture, unit, seed=5)
    device = MemoryDevice(source.size, fill=b"\xff")
    result = bench.copy(source, device)
    assert device.content == source.content
    assert result.bytes_zero_skipped == 0
    bench.check_digests(bytes(source.content))


@pytest.mark.thorough
def test_a_hole_longer_than_one_zero_request_is_zeroed_whole(bench):
    device = MemoryDevice(150 * BLOCK, fill=b"\xff")
    result = bench.copy(MemorySource.from_picture("-" * 150, BLOCK), device)
    assert not any(device.content)
    assert result.bytes_zero_written == device.bytes_zeroed == 150 * BLOCK


def test_zeroes_are_skipped_on_a_blank_and_counted(bench, mixed):
    device = MemoryDevice(10 * MIB)
    result = bench.copy(mixed, device, blank=True)
    assert device.content[: mixed.size] == mixed.content
    # DD0D-ZD--0D0DDZZD: 8 D of 17, the last D is 5 bytes short
    assert result.bytes_data == 8 * BLOCK - 5 == device.bytes_written
    assert result.bytes_zero_skipped == 9 * BLOCK
    assert device.bytes_zeroed == result.bytes_zero_written == 0
    bench.check_digests(bytes(mixed.content))


@pytest.mark.parametrize("dirt", [0, 5 * BLOCK, 17 * BLOCK - 6])
def test_a_blank_that_is_none_gets_its_zeroes_written(bench, mixed, dirt):
    device = MemoryDevice(mixed.size)
    device.content[dirt : dirt + 4096] = b"x" * len(device.content[dirt : dirt + 4096])
    # Where the sample looks: both ends, and a page at each 64th.
    if dirt == 5 * BLOCK:
        device.content[dirt : dirt + mixed.size // 64 + 4096] = b"x" * (mixed.size // 64 + 4096)
    result = bench.copy(mixed, device, blank=True)
    assert device.content == mixed.content
    assert result.bytes_zero_written == 9 * BLOCK


def test_zeroes_are_written_on_a_blank_when_asked(bench, mixed):
    device = MemoryDevice(mixed.size)
    assert bench.copy(mixed, device, blank=True, zeroes="write").bytes_zero_written == 9 * BLOCK


def test_zeroes_are_skipped_when_asked_whatever_the_device_holds(bench):
    device = MemoryDevice(BLOCK * 2, fill=b"\xff")
    assert bench.copy(MemorySource.from_picture("D-", BLOCK), device, zeroes="skip").bytes_zero_skipped == BLOCK
    assert device.content[BLOCK:] == b"\xff" * BLOCK


def test_the_result_names_the_digest_file_that_b3sum_would(bench, mixed):
    from_file = bench.copy(mixed, MemoryDevice(mixed.size)).digest_file_digest
    assert from_file == blake3(bench.digests.read_bytes()).hexdigest()


def test_a_device_that_is_too_small_is_refused_untouched(bench):
    device = MemoryDevice(BLOCK - 1, fill=b"\x11")
    with pytest.raises(DeviceTooSmall) as caught:
        bench.copy(MemorySource(bytes(BLOCK)), device)
    assert (caught.value.size, caught.value.needed, caught.value.exit_code) == (BLOCK - 1, BLOCK, 3)
    assert device.content == b"\x11" * (BLOCK - 1)
    assert list(bench.folder.iterdir()) == []


def test_a_disk_is_not_copied_onto_itself(bench, tmp_path):
    disk, link = tmp_path / "disk.raw", tmp_path / "link.raw"
    disk.write_bytes(b"x" * 5000)
    link.hardlink_to(disk)
    for path in (disk, link):
        with pytest.raises(SameDisk):
            bench.copy(open_source(str(disk), "raw"), open_device(str(path)))


def test_progress_ends_with_everything_done(bench, mixed):
    told = []
    bench.copy(mixed, MemoryDevice(mixed.size), verify="full", progress=told.append)
    stages = {p.stage: p for p in told}
    assert list(stages) == ["copy", "verify"]
    assert stages["copy"].bytes_done == stages["verify"].bytes_done == mixed.size
    assert (stages["copy"].bytes_zero, stages["copy"].seconds_left) == (9 * BLOCK, 0.0)


def test_a_stop_ends_the_copy_and_the_next_call_goes_on(bench):
    source = MemorySource.from_picture("D" * 40, BLOCK, seed=3)
    device = MemoryDevice(source.size)
    asked = []

    def stop():
        asked.append(1)
        return len(asked) > 4

    with pytest.raises(Stopped) as caught:
        bench.copy(source, device, blank=True, stop=stop, threads=1)
    assert caught.value.exit_code == 1
    assert caught.value.copied == 4 * 2 * BLOCK == device.bytes_written  # four requests of 1 MiB
    result = bench.copy(source, device, blank=True)
    assert result.bytes_resumed == 8 * BLOCK and result.bytes_data == 32 * BLOCK
    assert device.bytes_written == source.size
    assert device.content == source.content
    bench.check_digests(bytes(source.content))


@pytest.mark.parametrize(
    ("verify", "blank", "at", "found"),
    [
        ("written", True, 0, True),
        ("written", True, 4, False),  # a skipped zero block is not read back
        ("written", False, 4, True),  # a written one is
        ("full", True, 4, True),
        ("full", True, 16, True),  # the short last block
        ("none", True, 0, False),
    ],
)
def test_a_device_that_lies_is_found_out(bench, mixed, verify, blank, at, found):
    class Liar(MemoryDevice):
        def flush(self):
            super().flush()
            self.content[at * BLOCK + 100] ^= 0x10

    device = Liar(mixed.size)
    if not found:
        assert bench.copy(mixed, device, verify=verify, blank=blank).verified is (verify != "none")
        return
    with pytest.raises(ReadBackDiffers) as caught:
        bench.copy(mixed, device, verify=verify, blank=blank)
    assert isinstance(caught.value, IntegrityViolated)
    assert caught.value.offset == at * BLOCK and caught.value.blocks == 1
    assert not bench.digests.exists()


def test_files_are_copied_past_their_holes(bench, tmp_path):
    source_path, target = tmp_path / "source.raw", tmp_path / "target.raw"
    pattern = MemorySource.from_picture("D-0DD---D", MIB, seed=9, trim=77)
    with open(source_path, "wb") as file:
        for extent in pattern.extents():
            if extent.kind == "data":
                file.seek(extent.offset)
                file.write(pattern.content[extent.offset : extent.end])
        file.truncate(pattern.size)
    target.write_bytes(b"\xee" * (10 * MIB))
    source, device = open_source(str(source_path), "raw"), open_device(str(target))
    result = bench.copy(source, device, verify="full")
    device.close()
    assert target.read_bytes() == bytes(pattern.content) + b"\xee" * (10 * MIB - pattern.size)
    assert result.verified
    assert result.source.mtime_ns == os.stat(source_path).st_mtime_ns
    bench.check_digests(bytes(pattern.content))
    assert compare(str(source_path), str(target), pattern.size) == []


@pytest.mark.process
def test_the_engine_needs_nothing_of_aws_terraform_or_workflows():
    code = "import runner.blocks.copy, runner.blocks.compare, sys; print(*{m.partition('.')[0] for m in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path.cwd())
    loaded = set(done.stdout.split())
    assert "runner" in loaded
    assert not loaded & {"boto3", "botocore", "dbos", "cdktf", "jsii", "guestfs", "sqlalchemy", "typer", "stacks"}
