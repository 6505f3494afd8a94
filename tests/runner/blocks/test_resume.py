"""A copy that is killed, stopped or broken off, and then run again with the same arguments."""

from __future__ import annotations

import json
import time
from threading import Event

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.blocks.errors import ReadFailed
from runner.blocks.memory import MemoryDevice, MemorySource
from tests.runner.blocks.bench import Bench, FailingDevice, Killed

BLOCK = 512 * 1024


def kill_after(bench, source, device, writes, **options):
    failing = FailingDevice(device, fail_write=writes, fail_zeroes=writes, error=Killed())
    with pytest.raises(Killed):
        bench.copy(source, failing, **options)


@pytest.mark.thorough
@settings(deadline=None, max_examples=12)
@given(
    picture=st.text("DD0Z-", min_size=8, max_size=24),
    kills=st.lists(st.integers(0, 12), max_size=3),
    blank=st.booleans(),
    interval=st.sampled_from([2, 8, 1000]),
    threads=st.integers(1, 4),
)
def test_killed_at_any_write_the_same_call_ends_with_the_source(
    tmp_path_factory, picture, kills, blank, interval, threads
):
    bench = Bench(tmp_path_factory.mktemp("resume"))
    source = MemorySource.from_picture(picture, BLOCK, seed=len(picture), trim=3)
    device = MemoryDevice(source.size, fill=b"\0" if blank else b"\xdd")
    options = {"blank": blank, "save_bytes": interval * BLOCK, "threads": threads}
    for writes in kills:
        failing = FailingDevice(device, fail_write=writes, fail_zeroes=writes, error=Killed())
        try:
            bench.copy(source, failing, **options)
        except Killed:
            continue
    bench.copy(source, device, **options)
    assert device.content == source.content
    bench.check_digests(bytes(source.content))


@pytest.mark.parametrize("interval", [8])
def test_no_more_than_one_interval_is_written_twice(bench, interval):
    source = MemorySource.from_picture("D" * 56, BLOCK, seed=1)
    device = MemoryDevice(source.size)
    options = {"blank": True, "save_bytes": interval * BLOCK, "threads": 2}
    kill_after(bench, source, device, 12, **options)
    first = device.bytes_written
    result = bench.copy(source, device, **options)
    assert device.content == source.content
    assert result.bytes_resumed > 0
    # One interval, and what the two threads had at hand.
    assert device.bytes_written - source.size <= interval * BLOCK + 2 * 4 * BLOCK
    assert first + result.bytes_data == device.bytes_written


@pytest.mark.parametrize("threads", [1, 4])
def test_the_device_is_flushed_at_a_steady_interval(bench, threads):
    source = MemorySource.from_picture("D" * 64, BLOCK, seed=1)

    class Slow(MemoryDevice):
        def flush(self):
            super().flush()
            time.sleep(0.02)  # so that all threads come to wait for it

    device = Slow(source.size)
    bench.copy(source, device, blank=True, save_bytes=16 * BLOCK, threads=threads)
    # At the latest after each interval, at the earliest after half of one; and at the end.
    assert 64 // 16 <= device.flushes <= 64 // 8 + 1


def test_a_finished_copy_is_not_done_again(bench, mixed):
    device = MemoryDevice(mixed.size)
    first = bench.copy(mixed, device, blank=True)
    written = device.bytes_written
    again = bench.copy(mixed, device, blank=True, verify="full")
    assert device.bytes_written == written
    assert again.bytes_resumed == mixed.size and again.verified
    assert again.digest_file_digest == first.digest_file_digest


@pytest.mark.parametrize("station", ["sealed", "noted", "published"])
def test_killed_while_finishing_nothing_is_copied_again(bench, mixed, monkeypatch, station):
    device = MemoryDevice(mixed.size)
    stations = {
        "sealed": "runner.blocks.checkpoint.Checkpoint.write",
        "noted": "runner.blocks.digests.DigestFile.publish",
        "published": "runner.blocks.copy.CopyResult.__init__",
    }

    def die(*_, **named):
        raise Killed

    if station == "sealed":
        # The first writing of the checkpoint is the beginning's, the second the end's.
        from runner.blocks.checkpoint import Checkpoint  # noqa: PLC0415

        real, calls = Checkpoint.write, []

        def second_dies(self, path):
            calls.append(path)
            if len(calls) == 2:
                raise Killed
            real(self, path)

        monkeypatch.setattr(stations[station], second_dies)
    else:
        monkeypatch.setattr(stations[station], die)
    with pytest.raises(Killed):
        bench.copy(mixed, device, blank=True)
    monkeypatch.undo()
    assert bench.copy(mixed, device, blank=True).bytes_resumed == mixed.size
    bench.check_digests(bytes(mixed.content))


@pytest.mark.parametrize("zeroes", ["auto", "skip"])
def test_another_source_starts_over_and_writes_its_zeroes(bench, zeroes):
    """What the first source left where the second has zeroes must go, though the caller says blank."""
    device = MemoryDevice(40 * BLOCK)
    kill_after(bench, MemorySource.from_picture("D" * 40, BLOCK), device, 3, blank=True, threads=1, zeroes=zeroes)
    assert any(device.content[: 12 * BLOCK])
    other = MemorySource.from_picture("-" * 30 + "D" * 10, BLOCK, seed=2)
    result = bench.copy(other, device, blank=True, zeroes=zeroes)
    assert device.content == other.content
    assert result.bytes_resumed == 0 and result.bytes_zero_written == 30 * BLOCK


@pytest.mark.parametrize(
    "change",
    [
        {"blank": False},
        {"zeroes": "write"},
        {"disk": "disk1"},
        {"generation": 2},
        {"path": "another"},
    ],
)
def test_another_request_starts_over(bench, change):
    source = MemorySource.from_picture("DD0-DDDD" * 4, BLOCK)
    device = MemoryDevice(source.size)
    kill_after(bench, source, device, 4, blank=True, threads=1, save_bytes=2 * BLOCK)
    if "path" in change:
        device.path = change.pop("path")
    result = bench.copy(source, device, **{"blank": True, **change})
    assert result.bytes_resumed == 0 and result.bytes_zero_skipped == 0
    assert device.content == source.content


def test_a_device_that_lost_its_blocks_starts_over(bench):
    source = MemorySource.from_picture("D" * 32, BLOCK)
    kill_after(bench, source, MemoryDevice(source.size), 6, blank=True, threads=1, save_bytes=2 * BLOCK)
    replaced = MemoryDevice(source.size)
    assert bench.copy(source, replaced, blank=True).bytes_resumed == 0
    assert replaced.content == source.content


@pytest.mark.parametrize("text", ["", "{}", "[]", "nonsense", '{"version": 1, "source": 3}', '{"version": 99}'])
def test_a_damaged_checkpoint_starts_over_and_trusts_no_blank(bench, mixed, text):
    device = MemoryDevice(mixed.size)
    kill_after(bench, mixed, device, 1, blank=True, threads=1, save_bytes=2 * BLOCK)
    bench.checkpoint.write_text(text)
    result = bench.copy(mixed, device, blank=True)
    assert result.bytes_resumed == 0 and result.bytes_zero_written > 0
    assert device.content == mixed.content


def test_a_digest_file_of_another_run_is_not_gone_on_with(bench):
    source = MemorySource.from_picture("D" * 32, BLOCK)
    device = MemoryDevice(source.size)
    kill_after(bench, source, device, 6, blank=True, threads=1, save_bytes=2 * BLOCK)
    document = json.loads(bench.checkpoint.read_text())
    bench.checkpoint.write_text(json.dumps({**document, "run": "0" * 32}))
    assert bench.copy(source, device, blank=True).bytes_resumed == 0
    assert device.content == source.content


def test_a_read_error_keeps_what_was_copied_before(bench):
    class Unreadable(MemorySource):
        broken = True

        def read_into(self, offset, buffer):
            if self.broken and offset == 16 * BLOCK:
                raise OSError(5, "Input/output error")
            super().read_into(offset, buffer)

    source = Unreadable(bytes(MemorySource.from_picture("D" * 32, BLOCK).content))
    device = MemoryDevice(source.size)
    with pytest.raises(ReadFailed) as caught:
        bench.copy(source, device, blank=True, threads=1)
    assert caught.value.offset == 16 * BLOCK
    source.broken = False
    assert bench.copy(source, device, blank=True).bytes_resumed == 16 * BLOCK
    assert device.content == source.content


class Volatile(MemoryDevice):
    """Loses power after some flushes; what came in while a flush was under way is not held by that flush."""

    def __init__(self, size, flushes):
        super().__init__(size)
        self.held = bytes(size)
        self.left = flushes
        self.came = Event()

    def write(self, offset, buffer):
        super().write(offset, buffer)
        self.came.set()

    def flush(self):
        if not self.left:
            raise Killed
        self.left -= 1
        before = bytes(self.content)
        self.came.clear()
        self.came.wait(0.1)
        self.held = before


@pytest.mark.thorough
@pytest.mark.parametrize("flushes", range(1, 6))
def test_what_was_written_while_a_flush_ran_is_not_taken_for_flushed(bench, flushes):
    source = MemorySource.from_picture("D" * 80, BLOCK, seed=flushes)
    device = Volatile(source.size, flushes)
    options = {"blank": True, "save_bytes": 16 * BLOCK, "threads": 4}
    with pytest.raises(Killed):
        bench.copy(source, device, **options)
    after = MemoryDevice(source.size)
    after.content[:] = device.held
    result = bench.copy(source, after, **options)
    assert result.bytes_resumed > 0
    assert after.content == source.content
