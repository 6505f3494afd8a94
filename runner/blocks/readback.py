"""Reading a device back and comparing it with the digests of what was written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from threading import Lock

from runner.blocks.buffers import is_zero
from runner.blocks.device import Device
from runner.blocks.digests import DATA, DIGEST_SIZE, ZERO, DigestFile, State, digest_of
from runner.blocks.errors import ReadBackDiffers, ReadFailed
from runner.blocks.extent import BLOCK
from runner.blocks.pool import Pool
from runner.blocks.progress import Meter

_REQUEST = 4  # blocks: 2 MiB


class ReadBack:
    """One pass over a device. `zeroes` says whether blocks noted as zero are read too."""

    def __init__(self, device: Device, digests: DigestFile, *, zeroes: bool) -> None:
        self._device = device
        self._digests = digests
        self._states = (DATA, ZERO) if zeroes else (DATA,)
        self._lock = Lock()
        self._done = 0
        self._wrong: list[int] = []

    def run(self, threads: int, meter: Meter, stop: Callable[[], None]) -> None:
        """Compare; raises `ReadBackDiffers`, `ReadFailed`, `ShortRead`, and what `stop` raises."""
        Pool(self._requests(stop), self._compare, _REQUEST * BLOCK).run(threads, lambda: meter.report(self._done, 0))
        meter.report(self._digests.size, 0, last=True)
        if self._wrong:
            self._wrong.sort()
            count = next((n for n, block in enumerate(self._wrong) if block != self._wrong[0] + n), len(self._wrong))
            first = self._wrong[0] * BLOCK
            length = min(count * BLOCK, self._digests.size - first)
            raise ReadBackDiffers(self._device.path, first, length, len(self._wrong))

    def _requests(self, stop: Callable[[], None]) -> Iterator[tuple[int, bytes]]:
        read_to = 0
        for first, count in self._digests.runs_of(self._states):
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
            self._device.read_into(offset, buffer[:length])
        except OSError as error:
            raise ReadFailed(self._device.path, offset, error) from error
        buffer[length : len(states) * BLOCK] = bytes(len(states) * BLOCK - length)
        expected = self._digests.digests(first, len(states))
        for n, state in enumerate(states):
            block = buffer[n * BLOCK : (n + 1) * BLOCK]
            digest = expected[n * DIGEST_SIZE : (n + 1) * DIGEST_SIZE]
            if not self._is_right(State(state), block, digest):
                with self._lock:
                    self._wrong.append(first + n)
        self._count(first, len(states))

    def _is_right(self, state: State, block: memoryview, digest: bytes) -> bool:
        return is_zero(block) if state is ZERO else digest_of(block) == digest

    def _count(self, first: int, count: int) -> None:
        with self._lock:
            self._done += max(0, min(count * BLOCK, self._digests.size - first * BLOCK))
