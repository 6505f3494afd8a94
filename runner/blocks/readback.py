"""Reading a disk and comparing it with its digests: a device with what was written, a source with what was said."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from threading import Lock

from runner.blocks.buffers import is_zero
from runner.blocks.compare import Readable
from runner.blocks.device import Device
from runner.blocks.digests import DIGEST_SIZE, ZERO, DigestFile, digest_of
from runner.blocks.errors import ReadBackDiffers, ReadFailed
from runner.blocks.extent import BLOCK
from runner.blocks.pool import Pool
from runner.blocks.progress import Meter

_REQUEST = 4  # blocks: 2 MiB


@dataclass(frozen=True, slots=True)
class Wrong:
    """What differs: the first range in bytes, and how many blocks in all."""

    offset: int
    length: int
    blocks: int


class ReadBack:
    """One pass over some blocks of a disk, comparing them with their digests. `runs` are (first, count) of blocks."""

    def __init__(self, disk: Readable, location: str, digests: DigestFile, runs: Iterable[tuple[int, int]]) -> None:
        self._disk = disk
        self._location = location
        self._digests = digests
        self._runs = runs
        self._lock = Lock()
        self._done = 0
        self._wrong: list[int] = []

    def run(self, threads: int, meter: Meter, stop: Callable[[], None]) -> Wrong | None:
        """Compare; raises `ReadFailed`, `ShortRead`, and what `stop` raises."""
        Pool(self._requests(stop), self._compare, _REQUEST * BLOCK).run(threads, lambda: meter.report(self._done, 0))
        meter.report(self._digests.size, 0, last=True)
        if not self._wrong:
            return None
        self._wrong.sort()
        count = next((n for n, block in enumerate(self._wrong) if block != self._wrong[0] + n), len(self._wrong))
        first = self._wrong[0] * BLOCK
        return Wrong(first, min(count * BLOCK, self._digests.size - first), len(self._wrong))

    def _requests(self, stop: Callable[[], None]) -> Iterator[tuple[int, bytes]]:
        read_to = 0
        for first, count in self._runs:
            self._count(read_to, first - read_to)
            read_to = first + count
            for at in range(first, read_to, _REQUEST):
                stop()
                yield at, self._digests.state_run(at, min(_REQUEST, read_to - at))

    def _compare(self, request: tuple[int, bytes], buffer: memoryview) -> None:
        first, states = request
        offset = first * BLOCK
        length = min(len(states) * BLOCK, self._digests.size - offset)
        try:
            self._disk.read_into(offset, buffer[:length])
        except OSError as error:
            raise ReadFailed(self._location, offset, error) from error
        buffer[length : len(states) * BLOCK] = bytes(len(states) * BLOCK - length)
        expected = self._digests.digests(first, len(states))
        for n, state in enumerate(states):
            block = buffer[n * BLOCK : (n + 1) * BLOCK]
            digest = expected[n * DIGEST_SIZE : (n + 1) * DIGEST_SIZE]
            if not (is_zero(block) if state == ZERO else digest_of(block) == digest):
                with self._lock:
                    self._wrong.append(first + n)
        self._count(first, len(states))

    def _count(self, first: int, count: int) -> None:
        with self._lock:
            self._done += max(0, min(count * BLOCK, self._digests.size - first * BLOCK))


def check_device(
    device: Device,
    digests: DigestFile,
    runs: Iterable[tuple[int, int]],
    threads: int,
    meter: Meter,
    stop: Callable[[], None],
) -> None:
    """Read blocks of a device back; raises `ReadBackDiffers`, and as `ReadBack.run`."""
    if wrong := ReadBack(device, device.path, digests, runs).run(threads, meter, stop):
        raise ReadBackDiffers(device.path, wrong.offset, wrong.length, wrong.blocks)
