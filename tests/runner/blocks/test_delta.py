"""A device that holds an earlier state of the source, and deviations of its own, becomes the source."""

from __future__ import annotations

import errno
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.blocks.delta import copy_changes
from runner.blocks.digests import DigestFile
from runner.blocks.errors import (
    ChangesIncomplete,
    DeviceTooSmall,
    FlushFailed,
    ReadBackDiffers,
    ReadFailed,
    SourceChanged,
    SourceShrank,
    Stopped,
    WriteFailed,
)
from runner.blocks.memory import MemoryDevice, MemorySource
from tests.runner.blocks.bench import Bench, FailingDevice

BLOCK = 512 * 1024


class Generations:
    """A first generation on a device, its digest file, and the call that brings the second one there."""

    def __init__(self, folder, picture, seed=1, trim=0, room=0):
        self.folder = folder
        self.bench = Bench(folder)
        self.first = MemorySource.from_picture(picture, BLOCK, seed, trim)
        self.device = MemoryDevice(self.first.size + room)
        self.bench.copy(self.first, self.device)
        self.device.bytes_written = self.device.bytes_zeroed = 0
        self.reference = DigestFile.open(self.bench.digests)

    def deviate(self, *blocks):
        for block in blocks:
            end = min((block + 1) * BLOCK, self.device.size)
            self.device.content[block * BLOCK : end] = b"\xdd" * (end - block * BLOCK)

    def bring(self, source, device=None, **options):
        options = {"reference": self.reference, "digests": self.folder / "second.digests", **options}
        return copy_changes(source, device or self.device, disk="disk0", generation=2, **options)

    def check(self, source, result):
        """The device holds the source, the digest file is what a full copy of it would leave."""
        assert self.device.content[: source.size] == source.content
        other = Bench(self.folder / "other")
        other.folder.mkdir(exist_ok=True)
        expected = other.copy(source, MemoryDevice(source.size), generation=2)
        assert result.digest_file_digest == expected.digest_file_digest
        assert (self.folder / "second.digests").read_bytes() == other.digests.read_bytes()


@pytest.fixture
def generations(tmp_path):
    return lambda *args, **options: Generations(tmp_path, *args, **options)


def edited(source, *blocks, zeroed=(), extents=None):
    content = bytearray(source.content)
    for block in blocks:
        content[block * BLOCK + 7] ^= 0xFF
    for block in zeroed:
        end = min((block + 1) * BLOCK, len(content))
        content[block * BLOCK : end] = bytes(end - block * BLOCK)
    return MemorySource(bytes(content), extents)


def test_nothing_changed_writes_nothing(generations):
    g = generations("DD-DZ0D", trim=5)
    result = g.bring(g.first)
    assert (g.device.bytes_written, g.device.bytes_zeroed) == (0, 0)
    assert (result.bytes_changed, result.bytes_written, result.bytes_read) == (0, 0, 5 * BLOCK - 5)
    g.check(g.first, result)


def test_changed_blocks_are_written_and_counted(generations):
    g = generations("DDDDDDDD", trim=5)
    second = edited(g.first, 1, 2, 7, zeroed=[4])
    result = g.bring(second, verify="written")
    assert result.bytes_changed == 4 * BLOCK - 5
    assert result.bytes_written == g.device.bytes_written == 3 * BLOCK - 5
    assert result.bytes_zeroed == g.device.bytes_zeroed == BLOCK
    g.check(second, result)


def test_a_block_that_became_a_hole_is_zeroed_unread(generations):
    g = generations("DDDD")
    second = MemorySource.from_picture("D-ZD", BLOCK, seed=1)
    second.content[:BLOCK], second.content[3 * BLOCK :] = g.first.content[:BLOCK], g.first.content[3 * BLOCK :]
    result = g.bring(second)
    assert (result.bytes_zeroed, result.bytes_read, result.bytes_written) == (2 * BLOCK, 2 * BLOCK, 0)
    g.check(second, result)


def test_deviating_blocks_are_written_whatever_the_digests_say(generations):
    g = generations("DD-D0D")
    g.deviate(0, 1, 2, 4)
    result = g.bring(g.first, deviating=[(4, 1), (0, 2), (1, 2), (4, 100)])
    assert result.bytes_changed == 0
    assert result.bytes_deviating == 5 * BLOCK  # 0, 1, 2, 4, 5
    assert (result.bytes_written, result.bytes_zeroed) == (3 * BLOCK, 2 * BLOCK)
    g.check(g.first, result)


def test_deviating_blocks_behind_the_end_become_zeroes_up_to_the_device_s_end(generations):
    g = generations("DD", trim=BLOCK // 2, room=3 * BLOCK)
    g.device.content[g.first.size :] = b"\xee" * (g.device.size - g.first.size)
    result = g.bring(g.first, deviating=[(1, 1), (3, 9)], verify="full")
    assert g.device.content[g.first.size : 2 * BLOCK] == bytes(BLOCK // 2)
    assert g.device.content[2 * BLOCK : 3 * BLOCK] == b"\xee" * BLOCK, "not named, so left"
    assert g.device.content[3 * BLOCK :] == bytes(g.device.size - 3 * BLOCK)
    g.check(g.first, result)


@pytest.mark.parametrize("listed", [None, []])
def test_a_disk_that_grew_is_written_from_its_old_end_s_block_on(generations, listed):
    g = generations("DDD", trim=100, room=4 * BLOCK)
    g.device.content[g.first.size :] = b"\xee" * (g.device.size - g.first.size)
    second = MemorySource(bytes(g.first.content) + bytes(100) + b"n" * BLOCK + bytes(2 * BLOCK))
    result = g.bring(second, changes=listed)
    assert result.bytes_grown == 100 + 3 * BLOCK
    assert result.bytes_changed == 4 * BLOCK  # the block with the old end, which padded has the same digest, too
    g.check(second, result)


def test_a_change_list_alone_is_read(generations):
    g = generations("D" * 20)
    g.deviate(9)
    second = edited(g.first, 3, 4, 17)
    listed = [(17 * BLOCK, 512), (4 * BLOCK - 1, 2)]
    result = g.bring(second, changes=listed, deviating=[(9, 1)], verify="full")
    assert result.bytes_read == 4 * BLOCK
    assert result.bytes_changed == 3 * BLOCK
    g.check(second, result)


def test_a_change_list_that_lies_is_found_by_verifying_in_full(generations):
    g = generations("DDDDDDDDDD")
    second = edited(g.first, 2, 5, 6)
    with pytest.raises(ChangesIncomplete) as caught:
        g.bring(second, changes=[(2 * BLOCK, 1)], verify="full")
    assert (caught.value.offset, caught.value.blocks, caught.value.exit_code) == (5 * BLOCK, 2, 4)
    assert not (g.folder / "second.digests").exists()


@pytest.mark.parametrize("verify", ["written", "full"])
def test_a_device_that_lies_is_found_out(generations, verify):
    class Liar(MemoryDevice):
        def flush(self):
            self.content[at] ^= 1

    g = generations("DDDD", room=BLOCK)
    second = edited(g.first, 1)
    for at in [BLOCK + 3, 4 * BLOCK + 9] + ([2 * BLOCK] if verify == "full" else []):
        device = Liar(g.device.size)
        device.content[:] = g.device.content
        with pytest.raises(ReadBackDiffers) as caught:
            g.bring(second, device, verify=verify, deviating=[(4, 1)])
        assert caught.value.offset == at // BLOCK * BLOCK


def test_without_a_reference_the_whole_device_is_compared(generations):
    g = generations("DD-D0DDZ", trim=9, room=2 * BLOCK)
    g.deviate(1, 2, 4)
    g.device.content[-5] = 1
    result = g.bring(g.first, reference=None)
    assert result.bytes_changed == 3 * BLOCK
    assert result.bytes_written == BLOCK
    assert result.bytes_zeroed == 2 * BLOCK + 2 * BLOCK  # and the piece behind the end that was not zero
    assert not any(g.device.content[g.first.size :])
    g.check(g.first, result)


def test_a_source_that_shrank_is_refused_untouched(generations):
    g = generations("DD")
    with pytest.raises(SourceShrank) as caught:
        g.bring(MemorySource(bytes(BLOCK)))
    assert (caught.value.size, caught.value.before) == (BLOCK, 2 * BLOCK)
    with pytest.raises(DeviceTooSmall):
        g.bring(MemorySource(bytes(3 * BLOCK)))
    assert g.device.bytes_written == 0


@pytest.mark.parametrize(("what", "error"), [("write", WriteFailed), ("zeroes", WriteFailed), ("flush", FlushFailed)])
def test_a_failing_device_is_named_and_a_second_call_mends_it(generations, what, error):
    g = generations("DDDD")
    second = edited(g.first, 1, zeroed=[3])
    failing = FailingDevice(g.device, error=OSError(errno.EIO, os.strerror(errno.EIO)))
    setattr(failing, f"fail_{what}", 0)
    with pytest.raises(error) as caught:
        g.bring(second, failing)
    assert caught.value.offset == {"write": BLOCK, "zeroes": 3 * BLOCK, "flush": -1}[what]
    assert not (g.folder / "second.digests").exists()
    g.check(second, g.bring(second))


def test_a_source_that_fails_or_changes_is_named(generations):
    class Failing(MemorySource):
        def read_into(self, offset, buffer):
            raise OSError(errno.EIO, "bad sector")

    class Changing(MemorySource):
        def read_into(self, offset, buffer):
            super().read_into(offset, buffer)
            self.content[0] ^= 1

    g = generations("DD")
    with pytest.raises(ReadFailed):
        g.bring(Failing(bytes(g.first.content)))
    with pytest.raises(SourceChanged):
        g.bring(Changing(bytes(g.first.content)))


def test_a_stop_is_heeded(generations):
    g = generations("D" * 12)
    with pytest.raises(Stopped):
        g.bring(g.first, stop=lambda: True)
    assert not (g.folder / "second.digests").exists()


PICTURE = st.text("DZ0-", min_size=1, max_size=14)
RUNS = st.lists(st.tuples(st.integers(0, 18), st.integers(0, 5)), max_size=4)


@pytest.mark.thorough
@settings(max_examples=120, deadline=None)
@given(
    before=PICTURE,
    after=PICTURE,
    keep=st.lists(st.booleans(), min_size=14, max_size=14),
    trims=st.tuples(st.integers(0, BLOCK - 1), st.integers(0, BLOCK - 1)),
    room=st.integers(0, 2 * BLOCK),
    runs=RUNS,
    repair=st.booleans(),
    listed=st.booleans(),
    threads=st.integers(1, 4),
)
def test_whatever_changed_the_device_becomes_the_source(
    tmp_path_factory, before, after, keep, trims, room, runs, repair, listed, threads
):
    g = Generations(tmp_path_factory.mktemp("delta"), before, seed=1, trim=trims[0], room=room)
    second = MemorySource.from_picture(after, BLOCK, seed=2, trim=trims[1])
    if second.size < g.first.size:
        with pytest.raises(SourceShrank):
            g.bring(second)
        return
    bigger = MemoryDevice(max(g.device.size, second.size))
    bigger.content[: g.device.size] = g.device.content
    g.device = bigger
    extents = list(second.extents())
    for number, kept in enumerate(keep[: len(before)]):
        # Only where the second one has data may its bytes be the first one's.
        if kept and after[number : number + 1] in ("D", "0"):
            low, high = number * BLOCK, min((number + 1) * BLOCK, g.first.size, second.size)
            second.content[low:high] = g.first.content[low:high]
    named = {block for first, count in runs for block in range(first, first + count)}
    g.deviate(*(b for b in named if b * BLOCK < g.device.size))
    differing = [
        (at, 1)
        for at in range(0, second.size, BLOCK)
        if second.content[at : at + BLOCK].ljust(BLOCK) != g.first.content[at : at + BLOCK].ljust(BLOCK)
    ]
    result = g.bring(
        MemorySource(bytes(second.content), extents),
        deviating=[] if repair else runs,
        reference=None if repair else g.reference,
        changes=differing if listed and not repair else None,
        verify="full",
        threads=threads,
    )
    g.check(second, result)
    assert not any(
        g.device.content[min(b * BLOCK, g.device.size) :][:BLOCK].strip(b"\0")
        for b in named
        if b * BLOCK >= second.size
    )
    if repair:
        assert not any(g.device.content[second.size :])
    assert result.bytes_written + result.bytes_zeroed <= g.device.size
