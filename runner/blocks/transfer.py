"""The pass from a source to a device: read, digest, write, flush, note."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from threading import Lock

from runner.blocks.beginning import Beginning
from runner.blocks.device import Device
from runner.blocks.digesting import digested, stretches
from runner.blocks.digests import DATA
from runner.blocks.errors import (
    FlushFailed,
    ReadFailed,
    ShortRead,
    Stopped,
    WriteFailed,
)
from runner.blocks.extent import BLOCK, Run
from runner.blocks.limit import RateLimit
from runner.blocks.pinned import Pinned
from runner.blocks.pool import Pool
from runner.blocks.progress import Meter
from runner.blocks.recording import recording

_REQUEST = 2  # blocks: 1 MiB, of which eight threads keep eight in flight, as EBS wants; a block stays in the cache
_ZERO_REQUEST = 128  # blocks: 64 MiB; the kernel zeroes one request to its end before a stop is seen
_SAVE_SECONDS = 5.0  # between two flushes; what a killed copy does again at most


class Transfer:
    """The pass from source to device. A block counts as done once it is flushed and stands in the digest file."""

    def __init__(
        self,
        source: Pinned,
        device: Device,
        beginning: Beginning,
        *,
        stop: Callable[[], bool],
        save_bytes: int,
        limit: RateLimit | None,
    ) -> None:
        self._source, self._device, self._stop, self._save_bytes = source, device, stop, save_bytes
        self._limit = limit
        self._digests = beginning.digests
        self._checkpoint = beginning.checkpoint
        self._skips = beginning.checkpoint.skips
        self.resumed = self._bytes_known()
        self.data = self.skipped = self.zeroed = 0
        self._zero_before = min(self._digests.known_zero * BLOCK, self.resumed)
        self._lock = Lock()  # over the counters above, and these two
        self._unsaved: list[tuple[Run, bytes, bytes]] = []  # with the states and digests of a data run
        self._unsaved_bytes = 0  # that went to the device
        self._saving = Lock()
        self._saved_at = time.monotonic()

    def run(self, threads: int, meter: Meter) -> None:
        """Copy all that is not known yet, and save."""
        try:
            Pool(self._requests(), self._copy, _REQUEST * BLOCK).run(threads, lambda: self._tend(meter))
            self._save(0)
        except Stopped:
            self._save(0)
            raise Stopped(self._checkpoint.disk, self._done(), self._source.size) from None
        except (ReadFailed, ShortRead) as error:
            self._source.explain(error)
            with contextlib.suppress(Exception):  # the read error is the one to report
                self._save(0)
            raise
        self._source.check()
        meter.report(self._done(), self._done_zero(), last=True)

    def heed_stop(self) -> None:
        """Raise `Stopped` if the user asked for it."""
        if self._stop():
            raise Stopped(self._checkpoint.disk, self._done(), self._source.size)

    def _requests(self) -> Iterator[Run]:
        for run in self._source.runs():
            step = _REQUEST if run.data else _ZERO_REQUEST
            for first, count in self._digests.unknown_runs(run.first, run.count):
                if not run.data and self._skips:
                    step = count
                for at in range(first, first + count, step):
                    self.heed_stop()
                    yield Run(at, min(step, first + count - at), run.data)

    def _copy(self, run: Run, buffer: memoryview) -> None:
        offset = run.first * BLOCK
        length = min(run.count * BLOCK, self._source.size - offset)
        if not run.data:
            self._put(offset, length, None)
            self._note(run, b"", b"", length, 0)
            return
        if self._limit is not None:
            self._limit.take(length, self.heed_stop)
        self._source.read_into(offset, buffer[:length])
        states, digests = digested(buffer, length)
        zero_bytes = 0
        for start, end, state in stretches(states, length):
            self._put(offset + start, end - start, buffer[start:end] if state == DATA else None)
            zero_bytes += 0 if state == DATA else end - start
        self._note(run, states, digests, zero_bytes, length - zero_bytes)

    def _put(self, offset: int, length: int, data: memoryview | None) -> None:
        """Bring data, or zeroes if it is None, onto the device."""
        try:
            if data is not None:
                self._device.write(offset, data)
            elif not self._skips:
                self._device.write_zeroes(offset, length)
        except OSError as error:
            raise WriteFailed(self._device.path, offset, error) from error

    def _note(self, run: Run, states: bytes, digests: bytes, zero: int, data: int) -> None:
        with self._lock:
            self._unsaved.append((run, states, digests))
            self._unsaved_bytes += data if self._skips else data + zero
            self.data += data
            if self._skips:
                self.skipped += zero
            else:
                self.zeroed += zero
            waiting = self._unsaved_bytes
        # Half an interval: one thread saves while the others go on. A whole one: all wait for it.
        if waiting >= self._save_bytes:
            self._save(self._save_bytes)
        elif waiting >= self._save_bytes // 2 and self._saving.acquire(blocking=False):
            try:
                self._save_held(self._save_bytes // 2)
            finally:
                self._saving.release()

    def _save(self, least: int) -> None:
        with self._saving:
            self._save_held(least)

    def _save_held(self, least: int) -> None:
        """Flush the device, then note what was written before, unless less than `least` bytes wait for it."""
        with self._lock:
            if self._unsaved_bytes < least:
                return
            taken, self._unsaved = self._unsaved, []
            taken_bytes = self._unsaved_bytes
        try:
            self._device.flush()
        except OSError as error:
            # The kernel reports a lost write once: what was taken must never be noted now.
            raise FlushFailed(self._device.path, -1, error) from error
        self._source.check()
        with recording(self._digests.path):
            for run, states, digests in taken:
                if run.data:
                    self._digests.set_run(run.first, states, digests)
                else:
                    self._digests.set_zero(run.first, run.count)
            self._digests.save()
        self._saved_at = time.monotonic()
        with self._lock:
            self._unsaved_bytes -= taken_bytes

    def _tend(self, meter: Meter) -> None:
        if time.monotonic() - self._saved_at >= _SAVE_SECONDS:
            self._save(0)
        meter.report(self._done(), self._done_zero())

    def _done(self) -> int:
        return self.resumed + self.data + self.skipped + self.zeroed

    def _done_zero(self) -> int:
        return self._zero_before + self.skipped + self.zeroed

    def _bytes_known(self) -> int:
        """Bytes of the blocks that an earlier call has copied; the last block may be a short one."""
        digests = self._digests
        known = digests.known * BLOCK
        if known and digests.state_run(digests.blocks - 1, 1) != b"\0":
            known -= digests.blocks * BLOCK - digests.size
        return known
