"""The pass of a delta: read what may differ, digest it, write what does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from threading import Lock

from runner.blocks.blockmap import DEVIATING, LISTED, WRITTEN, BlockMap, either, nonzero_runs
from runner.blocks.buffers import is_same, is_zero
from runner.blocks.device import Device
from runner.blocks.digesting import digested, stretches
from runner.blocks.digests import DATA, DIGEST_SIZE, ZERO, DigestFile
from runner.blocks.errors import ReadFailed, WriteFailed
from runner.blocks.extent import BLOCK, Run
from runner.blocks.limit import RateLimit
from runner.blocks.pinned import Pinned
from runner.blocks.recording import recording

REQUEST = 4  # blocks: 2 MiB
_ZERO_REQUEST = 128  # blocks: 64 MiB
_WINDOW = 65536  # blocks whose states are looked at in one go
_NOT = bytes([1]) + bytes(255)  # for bytes.translate: 0 becomes 1, all else 0
_NOT_ZERO = bytes(value != ZERO for value in range(256))
_KEEP, _DATA, _ZEROES = range(3)  # what becomes of a block


@dataclass
class Counts:
    """In bytes, of the source but for `written` and `zeroed`, which are the device's."""

    read: int = 0
    changed: int = 0
    done: int = 0
    written: int = 0
    zeroed: int = 0


class DeltaPass:
    """One pass from a source to a device that holds an earlier state of it.

    `base` is what the device held, or None: then the device itself is read. `marks` has a flag for every block of the
    device; `listed` says whether only marked blocks can differ.
    """

    def __init__(
        self,
        source: Pinned,
        device: Device,
        digests: DigestFile,
        base: DigestFile | None,
        marks: BlockMap,
        *,
        listed: bool,
        limit: RateLimit | None,
        heed_stop: Callable[[], None],
    ) -> None:
        self._source, self._device, self._digests, self._base = source, device, digests, base
        self._marks, self._listed, self._limit, self._heed_stop = marks, listed, limit, heed_stop
        # The block that holds the old end of a disk that grew counts as new: beyond that end the device may hold
        # anything.
        grown = base is not None and base.size < digests.size
        self._base_blocks = 0 if base is None else base.size // BLOCK if grown else base.blocks
        self.counts = Counts()
        self._lock = Lock()  # over counts, marks and the digest file

    @property
    def buffer_size(self) -> int:
        """Bytes that `work` needs: of the source, and of the device if that is compared."""
        return REQUEST * BLOCK * (1 if self._base is not None else 2)

    def requests(self) -> Iterator[Run]:
        """What to look at, in order; all else is noted as it is."""
        for run in self._source.runs():
            for at in range(run.first, run.first + run.count, _WINDOW):
                count = min(_WINDOW, run.first + run.count - at)
                step = REQUEST if run.data or self._base is None else _ZERO_REQUEST
                for first, blocks in self._due(Run(at, count, run.data)):
                    for start in range(first, first + blocks, step):
                        self._heed_stop()
                        yield Run(start, min(step, first + blocks - start), run.data)

    def work(self, run: Run, buffer: memoryview) -> None:
        """Bring one request's blocks onto the device where they differ, and note their digests."""
        offset = run.first * BLOCK
        length = self._bytes(run.first, run.count)
        if run.data:
            self._wait(length)
            self._source.read_into(offset, buffer[:length])
            states, digests = digested(buffer, length)
        else:
            states, digests = bytes([ZERO]) * run.count, bytes(run.count * DIGEST_SIZE)
        if self._base is None:
            changed = self._differing(run, buffer, length, states)
        else:
            changed = self._changed(self._base, run, states, digests)
        due = either(changed, self._marks.flags(run.first, run.count, DEVIATING))
        plan = bytes(
            _KEEP if not d else _DATA if state == DATA else _ZEROES for d, state in zip(due, states, strict=True)
        )
        for start, end, kind in stretches(plan, length):
            if kind == _DATA:
                self._write(offset + start, buffer[start:end])
            elif kind == _ZEROES:
                self.write_zeroes(offset + start, end - start)
        with self._lock:
            self._note(run, states, digests)
            for first, count in nonzero_runs(due):
                self._marks.mark(WRITTEN, run.first + first, count)
            self.counts.read += length if run.data else 0
            self.counts.done += length
            self.counts.changed += sum(self._bytes(run.first + at, count) for at, count in nonzero_runs(changed))

    def write_zeroes(self, offset: int, length: int) -> None:
        """Zero bytes of the device and count them."""
        self._wait(length)
        try:
            self._device.write_zeroes(offset, length)
        except OSError as error:
            raise WriteFailed(self._device.path, offset, error) from error
        with self._lock:
            self.counts.zeroed += length

    def read_device(self, offset: int, buffer: memoryview) -> None:
        """Fill the buffer from the device; raises `ReadFailed`, `ShortRead`."""
        try:
            self._device.read_into(offset, buffer)
        except OSError as error:
            raise ReadFailed(self._device.path, offset, error) from error

    def base_of(self, first: int, count: int) -> tuple[bytes, bytes]:
        """States and digests that the base gives for consecutive blocks; unknown (0) where it has none."""
        known = max(0, min(count, self._base_blocks - first))
        if self._base is None or not known:
            return bytes(count), bytes(count * DIGEST_SIZE)
        states, digests = self._base.state_run(first, known), self._base.digests(first, known)
        return states.ljust(count, b"\0"), digests.ljust(count * DIGEST_SIZE, b"\0")

    def unread(self) -> Iterator[tuple[int, int]]:
        """(first, count) of the blocks of data that nobody read, on the word of the change list."""
        for run in self._source.runs() if self._listed else ():
            for at in range(run.first, run.first + run.count if run.data else run.first, _WINDOW):
                due = self._due_marks(Run(at, min(_WINDOW, run.first + run.count - at), True))
                for first, count in nonzero_runs(due.translate(_NOT)):
                    yield at + first, count

    def _due(self, run: Run) -> Iterator[tuple[int, int]]:
        """(first, count) of the blocks to look at; the digests of all others are noted here."""
        due = self._due_marks(run)
        for first, count in nonzero_runs(due.translate(_NOT)):
            kept = Run(run.first + first, count, run.data)
            with self._lock:
                self._note(kept, *(self.base_of(kept.first, count) if run.data else (b"", b"")))
                self.counts.done += self._bytes(kept.first, count)
        for first, count in nonzero_runs(due):
            yield run.first + first, count

    def _due_marks(self, run: Run) -> bytes:
        """A byte a block: not 0 where source and device may differ. Stated zeroes are compared without reading."""
        if self._base is None or (run.data and not self._listed):
            return b"\1" * run.count
        known = max(0, min(run.count, self._base_blocks - run.first))
        states = self._base.state_run(run.first, known).ljust(run.count, b"\0")
        marked = self._marks.flags(run.first, run.count, DEVIATING | LISTED if run.data else DEVIATING)
        return either(marked, states.translate(_NOT if run.data else _NOT_ZERO))

    def _changed(self, base: DigestFile, run: Run, states: bytes, digests: bytes) -> bytes:
        """A byte a block: 1 where state or digest differ from the base's."""
        old_states, old_digests = self.base_of(run.first, run.count)
        if states == old_states and digests == old_digests:
            return bytes(run.count)
        size = DIGEST_SIZE
        return bytes(
            states[n] != old_states[n] or digests[n * size : (n + 1) * size] != old_digests[n * size : (n + 1) * size]
            for n in range(run.count)
        )

    def _differing(self, run: Run, buffer: memoryview, length: int, states: bytes) -> bytes:
        """A byte a block: 1 where the device's bytes differ from the buffer's (or from zero)."""
        held = buffer[REQUEST * BLOCK :]
        self.read_device(run.first * BLOCK, held[:length])
        differs = bytearray(run.count)
        for n in range(run.count):
            at, end = n * BLOCK, min((n + 1) * BLOCK, length)
            same = is_zero(held[at:end]) if states[n] == ZERO else is_same(buffer[at:end], held[at:end])
            differs[n] = not same
        return bytes(differs)

    def _write(self, offset: int, data: memoryview) -> None:
        try:
            self._device.write(offset, data)
        except OSError as error:
            raise WriteFailed(self._device.path, offset, error) from error
        with self._lock:
            self.counts.written += len(data)

    def _note(self, run: Run, states: bytes, digests: bytes) -> None:
        with recording(self._digests.path):
            if run.data:
                self._digests.set_run(run.first, states, digests)
            else:
                self._digests.set_zero(run.first, run.count)

    def _wait(self, length: int) -> None:
        if self._limit is not None:
            self._limit.take(length, self._heed_stop)

    def _bytes(self, first: int, count: int) -> int:
        return min((first + count) * BLOCK, self._source.size) - first * BLOCK
