"""Whatever fails ends the disk with its place and its cause, and the first failure is the one reported."""

from __future__ import annotations

import errno
import os
import resource

import pytest

from runner.blocks.errors import FlushFailed, ReadFailed, RecordFailed, ShortRead, SourceChanged, Stopped, WriteFailed
from runner.blocks.memory import MemoryDevice, MemorySource
from tests.runner.blocks.bench import FailingDevice

BLOCK = 512 * 1024


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.ENXIO, errno.ENODEV])
@pytest.mark.parametrize(("what", "error"), [("write", WriteFailed), ("zeroes", WriteFailed), ("flush", FlushFailed)])
def test_a_failing_device_is_named_with_offset_and_cause(bench, mixed, number, what, error):
    failing = FailingDevice(MemoryDevice(mixed.size), error=OSError(number, os.strerror(number)))
    setattr(failing, f"fail_{what}", 0)
    with pytest.raises(error) as caught:
        bench.copy(mixed, failing, threads=1)
    assert caught.value.cause.errno == number
    assert os.strerror(number) in caught.value.sentence and "memory-device" in caught.value.sentence
    # DD0D: the first write is at 0, the first zeroes are the third block
    assert caught.value.offset == {"write": 0, "zeroes": 2 * BLOCK, "flush": -1}[what]
    assert not bench.digests.exists()


def test_the_first_error_is_reported_whatever_follows(bench):
    class Both(MemorySource):
        def read_into(self, offset, buffer):
            raise OSError(errno.EIO, "the first")

    class Then(MemoryDevice):
        def flush(self):
            raise OSError(errno.ENOSPC, "the second")

    with pytest.raises(ReadFailed) as caught:
        bench.copy(Both(b"x" * BLOCK), Then(BLOCK))
    assert caught.value.cause.strerror == "the first"


def test_a_failed_flush_is_never_taken_back(bench):
    """fdatasync reports a lost write once; the same blocks must be written again."""
    source = MemorySource.from_picture("D" * 16, BLOCK)
    device = MemoryDevice(source.size)
    with pytest.raises(FlushFailed):
        bench.copy(source, FailingDevice(device, fail_flush=0), blank=True)
    device.content[:] = bytes(source.size)  # what the lost write left
    result = bench.copy(source, device, blank=True)
    assert result.bytes_resumed == 0
    assert device.content == source.content


@pytest.mark.parametrize("blank", [True, False])
def test_reading_a_device_that_fails_is_an_error_too(bench, mixed, blank):
    failing = FailingDevice(MemoryDevice(mixed.size), fail_read=0)
    with pytest.raises(ReadFailed, match="memory-device"):
        bench.copy(mixed, failing, blank=blank, verify="full")


def test_a_source_that_ends_early_is_a_short_read(bench):
    class Short(MemorySource):
        def read_into(self, offset, buffer):
            raise ShortRead("memory", offset, len(buffer), 7)

    with pytest.raises(ShortRead) as caught:
        bench.copy(Short(bytes(BLOCK)), MemoryDevice(BLOCK))
    assert (caught.value.offset, caught.value.wanted, caught.value.got) == (0, BLOCK, 7)


@pytest.mark.parametrize("change", ["bytes", "shorter", "longer"])
def test_a_source_that_changes_is_found_and_started_over(bench, change):
    class Changing(MemorySource):
        reads = 0

        def read_into(self, offset, buffer):
            super().read_into(offset, buffer)
            self.reads += 1
            if self.reads == 2:
                if change == "bytes":
                    self.content[5] ^= 1
                elif change == "shorter":
                    del self.content[-10:]
                else:
                    self.content += b"more"

    source = Changing(bytes(MemorySource.from_picture("D" * 32, BLOCK).content))
    device = MemoryDevice(source.size)
    with pytest.raises(SourceChanged) as caught:
        bench.copy(source, device, blank=True, threads=1, save_bytes=4 * BLOCK)
    assert caught.value.exit_code == 1
    assert device.bytes_written <= 12 * BLOCK, "found at the next save, not at the end"
    if change == "bytes":
        result = bench.copy(source, device, blank=True)
        assert result.bytes_resumed == 0
        assert device.content == source.content


def test_a_source_that_vanishes_has_changed(bench):
    class Vanishing(MemorySource):
        def read_into(self, offset, buffer):
            self.fingerprint = self.gone
            raise OSError(errno.ESTALE, "Stale file handle")

        def gone(self):
            raise FileNotFoundError(errno.ENOENT, "No such file or directory")

    with pytest.raises(SourceChanged, match="No such file"):
        bench.copy(Vanishing(b"x" * 100), MemoryDevice(100))


@pytest.fixture
def full_disk():
    """Calls that make writing to any file fail from then on, as a full disk does, and undo it at the end."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("moment", ["before", "while copying"])
def test_a_record_that_cannot_be_written_is_named_and_the_next_call_goes_on(bench, full_disk, moment):
    class Filling(MemoryDevice):
        def flush(self):
            full_disk()

    source = MemorySource.from_picture("DD-D", BLOCK)
    device = Filling(source.size)
    if moment == "before":
        full_disk()
    with pytest.raises(RecordFailed) as caught:
        bench.copy(source, device, blank=True)
    assert caught.value.cause.errno == errno.EFBIG
    assert str(bench.digests) in caught.value.sentence


def test_a_record_in_an_impossible_place_is_named(bench, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RecordFailed, match="file"):
        bench.copy(MemorySource(b"x"), MemoryDevice(1), digests=tmp_path / "file" / "disk.digests")


def test_the_record_s_directories_are_made(bench, tmp_path):
    bench.copy(MemorySource(b"x"), MemoryDevice(1), digests=tmp_path / "manifest" / "generation-0001" / "d.digests")
    assert (tmp_path / "manifest" / "generation-0001" / "d.digests").exists()


def test_what_the_progress_callback_raises_ends_the_copy(bench, mixed):
    def broken(_):
        raise BrokenPipeError("the terminal is gone")

    with pytest.raises(BrokenPipeError):
        bench.copy(mixed, MemoryDevice(mixed.size), progress=broken)


def test_a_stop_while_verifying_is_heeded(bench, mixed):
    told = []
    with pytest.raises(Stopped):
        bench.copy(
            mixed,
            MemoryDevice(mixed.size),
            verify="full",
            progress=told.append,
            stop=lambda: any(p.stage == "copy" and p.bytes_done == mixed.size for p in told),
        )
    assert not bench.digests.exists()
    assert bench.copy(mixed, MemoryDevice(mixed.size)).bytes_data > 0
