"""Where a device no longer holds what a digest file says that it held: found by reading all of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from runner.blocks.device import Device
from runner.blocks.digests import DigestFile
from runner.blocks.errors import Stopped
from runner.blocks.extent import blocks_in
from runner.blocks.progress import Meter, Progress
from runner.blocks.readback import ReadBack


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
    every = [(0, blocks_in(device.size))]

    def heed_stop() -> None:
        if stop():
            raise Stopped(reference.disk, 0, device.size)

    meter = Meter(reference.disk, device.size, 0, progress, "verify")
    return list(runs(ReadBack(device, device.path, reference, every, device.size).find(threads, meter, heed_stop)))


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
