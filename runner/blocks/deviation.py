"""Where a device no longer holds what a digest file says that it held: found by reading all of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from threading import Lock

from runner.blocks.buffers import is_zero
from runner.blocks.device import Device
from runner.blocks.digests import DIGEST_SIZE, ZERO, DigestFile, digest_of
from runner.blocks.errors import ReadFailed, Stopped
from runner.blocks.extent import BLOCK, blocks_in
from runner.blocks.pool import Pool
from runner.blocks.progress import Meter, Progress

_REQUEST = 4  # blocks: 2 MiB


def find_deviating(
    device: Device,
    reference: DigestFile,
    *,
    progress: Callable[[Progress], None] = lambda _: None,
    stop: Callable[[], bool] = lambda: False,
    threads: int = 4,
) -> list[tuple[int, int]]:
    """The (first, count) runs of 512 KiB blocks of the device that are not as `reference` has them.

    Behind the reference's end a device must be zero. Raises `ReadFailed`, `ShortRead`, `Stopped`.
    """
    found: set[int] = set()
    lock = Lock()
    total = blocks_in(device.size)
    done = 0

    def requests() -> Iterator[tuple[int, int]]:
        for first in range(0, total, _REQUEST):
            if stop():
                raise Stopped(reference.disk, first * BLOCK, device.size)
            yield first, min(_REQUEST, total - first)

    def compare(request: tuple[int, int], buffer: memoryview) -> None:
        nonlocal done
        first, count = request
        offset = first * BLOCK
        length = min(count * BLOCK, device.size - offset)
        try:
            device.read_into(offset, buffer[:length])
        except OSError as error:
            raise ReadFailed(device.path, offset, error) from error
        buffer[length : count * BLOCK] = bytes(count * BLOCK - length)
        known = max(0, min(count, reference.blocks - first))
        states = reference.state_run(first, known) + bytes([ZERO]) * (count - known)
        expected = reference.digests(first, known) if known else b""
        wrong = []
        for n, state in enumerate(states):
            block = buffer[n * BLOCK : (n + 1) * BLOCK]
            if state == ZERO:
                same = is_zero(block)
            else:
                same = digest_of(block) == expected[n * DIGEST_SIZE : (n + 1) * DIGEST_SIZE]
            if not same:
                wrong.append(first + n)
        with lock:
            found.update(wrong)
            done += length

    meter = Meter(reference.disk, device.size, 0, progress, "verify")
    Pool(requests(), compare, _REQUEST * BLOCK).run(threads, lambda: meter.report(done, 0))
    meter.report(device.size, 0, last=True)
    return list(runs(found))


def runs(blocks: Iterable[int]) -> Iterator[tuple[int, int]]:
    """(first, count) of the runs of consecutive blocks among these, which may come in any order."""
    first = count = 0
    for block in sorted(set(blocks)):
        if count and block == first + count:
            count += 1
            continue
        if count:
            yield first, count
        first, count = block, 1
    if count:
        yield first, count
