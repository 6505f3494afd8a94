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
    """One pass over some blocks of a disk, comparing them with their digests. `runs` are (first, count) of blocks.

    `size` is the disk's, in bytes, where it is larger than what was digested: behind that all is to be zero.
    """

    def __init__(
        self, disk: Readable, location: str, digests: DigestFile, runs: Iterable[tuple[int, int]], size: int = 0
    ) -> None:
        self._disk = disk
        self._location = location
        self._digests = digests
        self._runs = runs
        self._size = size or digests.size
        self._lock = Lock()
        self._done = 0
        self._wrong: list[int] = []

    def run(self, threads: int, meter: Meter, stop: Callable[[], None]) -> Wrong | None:
        """Compare; raises as `find`."""
        wrong = self.find(threads, meter, stop)
        if not wrong:
            return None
        count = next((n for n, block in enumerate(wrong) if block != wrong[0] + n), len(wrong))
        first = wrong[0] * BLOCK
        return Wrong(first, min(count * BLOCK, self._size - first), len(wrong))

    def find(self, threads: int, meter: Meter, stop: Callable[[], None]) -> list[int]:
        """The numbers of the blocks that differ, in order.

        Raises `ReadFailed`, `ShortRead`, and what `stop` raises.
        """
        Pool(self._requests(stop), self._compare, _REQUEST * BLOCK).run(threads, lambda: meter.report(self._done, 0))
        meter.report(self._size, 0, last=True)
        return sorted(self._wrong)

    def _requests(self, stop: Callable[[], None]) -> Iterator[tuple[int, bytes]]:
        read_to = 0
        for first, count in self._runs:
            self._count(read_to, first - read_to)
            read_to = first + count
            for at in range(first, read_to, _REQUEST):
                stop()
                count = min(_REQUEST, read_to - at)
                yield at, self._digests.state_run(at, count).ljust(count, bytes([ZERO]))

    def _compare(self, request: tuple[int, bytes], buffer: memoryview) -> None:
        first, states = request
        offset = first * BLOCK
        length = min(len(states) * BLOCK, self._size - offset)
        try:
            self._disk.read_into(offset, buffer[:length])
        except OSError as error:
            raise ReadFailed(self._location, offset, error) from error
        buffer[length : len(states) * BLOCK] = bytes(len(states) * BLOCK - length)
        expected = self._digests.digests(first, max(0, min(len(states), self._digests.blocks - first)))
        for n, state in enumerate(states):
            block = buffer[n * BLOCK : (n + 1) * BLOCK]
            digest = expected[n * DIGEST_SIZE : (n + 1) * DIGEST_SIZE]
            if not (is_zero(block) if state == ZERO else digest_of(block) == digest):
                with self._lock:
                    self._wrong.append(first + n)
        self._count(first, len(states))

    def _count(self, first: int, count: int) -> None:
        with self._lock:
            self._done += max(0, min(count * BLOCK, self._size - first * BLOCK))


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
