"""Bringing a device that holds an earlier state of a source to its present one."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.blocks.blockmap import DEVIATING, LISTED, WRITTEN, BlockMap
from runner.blocks.buffers import aligned_buffer, is_zero
from runner.blocks.copy import Verify
from runner.blocks.deltapass import REQUEST, DeltaPass
from runner.blocks.device import Device
from runner.blocks.digests import DigestFile
from runner.blocks.errors import (
    ChangesIncomplete,
    FlushFailed,
    ReadBackDiffers,
    ReadFailed,
    ShortRead,
    SourceShrank,
    Stopped,
)
from runner.blocks.extent import BLOCK, blocks_in
from runner.blocks.fingerprint import Fingerprint
from runner.blocks.limit import RateLimit
from runner.blocks.pinned import Pinned, refuse_misfit
from runner.blocks.pool import Pool
from runner.blocks.progress import Meter, Progress
from runner.blocks.readback import ReadBack, check_device
from runner.blocks.recording import recording
from runner.blocks.source import Source

_ZERO_STEP = 64 << 20  # bytes of one request to zero


@dataclass(frozen=True, slots=True)
class DeltaResult:
    """What one call did, in bytes.

    `bytes_read` of the source to find out (verifying reads more); `bytes_changed`: the source differs from the
    reference (or, without one, from the device), what it grew by included; `bytes_deviating`: blocks of the device
    that the caller named; `bytes_written` data and `bytes_zeroed` zeroes written to the device. `digest_file_digest`
    is BLAKE3 of the digest file, 64 hexadecimal digits. `source` is what the source was, before and after.
    """

    bytes_total: int
    bytes_read: int
    bytes_changed: int
    bytes_deviating: int
    bytes_written: int
    bytes_zeroed: int
    bytes_grown: int
    seconds: float
    digest_file_digest: str
    verified: bool
    source: Fingerprint


def copy_changes(
    source: Source,
    device: Device,
    *,
    disk: str,
    generation: int,
    reference: DigestFile | None,
    digests: Path,
    deviating: Iterable[tuple[int, int]] = (),
    changes: Sequence[tuple[int, int]] | None = None,
    verify: Verify = "none",
    progress: Callable[[Progress], None] = lambda _: None,
    stop: Callable[[], bool] = lambda: False,
    threads: int = 4,
    limit: RateLimit | None = None,
) -> DeltaResult:
    """Make a device equal to the source, given what it held: `reference`, but for the blocks `deviating`.

    `reference` is complete and of an earlier generation; `deviating` are (first, count) runs of 512 KiB blocks, in any
    order; those behind the source's end become zeroes. With `changes`, (offset, length) in bytes, only these, what
    deviates and what the source grew by are read. Without a reference, source and whole device are read and
    compared, and behind the source's end the device must be zero; `changes` mean nothing then. One pass: the buffer
    that is digested is the buffer that is written. Zeroes are always written, since the device is no blank.

    Nothing is remembered: a call that was killed is made again, and starts from the same reference and deviations.
    `digests` gets its name when all is written and verified: "written" reads back what was written, "full" the whole
    device, and of the source what a change list left out. `limit` may be shared among disks. Raises `SourceShrank`,
    `ChangesIncomplete`, and as `copy_disk`.
    """
    began = time.monotonic()
    pinned = Pinned(source, source.fingerprint())
    refuse_misfit(source, device, pinned.before)
    _refuse_shrunk(source, reference)
    listed = reference is not None and changes is not None
    marks = _marked(device, deviating, (changes or ()) if listed else ())
    named = sum(min((first + n) * BLOCK, device.size) - first * BLOCK for first, n in _all(marks, DEVIATING))

    def heed_stop() -> None:
        if stop():
            raise Stopped(disk, work.counts.done, source.size)

    with contextlib.closing(_create(digests, disk, generation, source.size)) as file:
        work = DeltaPass(pinned, device, file, reference, marks, listed=listed, limit=limit, heed_stop=heed_stop)
        behind = list(_behind(source.size, device.size, marks, whole=reference is None))
        meter = Meter(disk, source.size, 0, progress, "copy")
        _write(work, pinned, device, behind, threads, meter, compare=reference is None, heed_stop=heed_stop)
        if verify != "none":
            runs = iter([(0, file.blocks)]) if verify == "full" else marks.runs(WRITTEN, 0, file.blocks)
            check_device(device, file, runs, threads, Meter(disk, source.size, 0, progress, "verify"), heed_stop)
            _check_behind(work, device, behind)
            if verify == "full":
                _check_unread(work, pinned, file, threads, Meter(disk, source.size, 0, progress, "verify"), heed_stop)
            pinned.check()
        with recording(file.path):
            digest = file.seal()
            file.publish()
    return DeltaResult(
        bytes_total=source.size,
        bytes_read=work.counts.read,
        bytes_changed=work.counts.changed,
        bytes_deviating=named,
        bytes_written=work.counts.written,
        bytes_zeroed=work.counts.zeroed,
        bytes_grown=source.size - reference.size if reference is not None else 0,
        seconds=time.monotonic() - began,
        digest_file_digest=digest,
        verified=verify != "none",
        source=pinned.before,
    )


def _write(
    work: DeltaPass,
    source: Pinned,
    device: Device,
    behind: Iterable[tuple[int, int]],
    threads: int,
    meter: Meter,
    *,
    compare: bool,
    heed_stop: Callable[[], None],
) -> None:
    """The pass itself, what lies behind the source's end, and the flush. With `compare`, no zero is written twice."""
    try:
        pool = Pool(work.requests(), work.work, work.buffer_size)
        pool.run(threads, lambda: meter.report(work.counts.done, work.counts.zeroed))
    except (ReadFailed, ShortRead) as error:
        source.explain(error)
        raise
    for offset, length in behind:
        heed_stop()
        for at, size in _not_zero(work, offset, length) if compare else [(offset, length)]:
            work.write_zeroes(at, size)
    try:
        device.flush()
    except OSError as error:
        raise FlushFailed(device.path, -1, error) from error
    source.check()
    meter.report(work.counts.done, work.counts.zeroed, last=True)


def _refuse_shrunk(source: Source, reference: DigestFile | None) -> None:
    if reference is not None and reference.size > source.size:
        raise SourceShrank(source.location, source.size, reference.size)


def _create(digests: Path, disk: str, generation: int, size: int) -> DigestFile:
    with recording(digests):
        digests.parent.mkdir(parents=True, exist_ok=True)
        return DigestFile.create(digests, disk=disk, generation=generation, size=size)


def _marked(device: Device, deviating: Iterable[tuple[int, int]], changes: Sequence[tuple[int, int]]) -> BlockMap:
    marks = BlockMap(blocks_in(device.size))
    marks.mark_runs(DEVIATING, deviating)
    marks.mark_bytes(LISTED, changes)
    return marks


def _all(marks: BlockMap, flag: int) -> Iterator[tuple[int, int]]:
    return marks.runs(flag, 0, marks.blocks)


def _behind(size: int, end: int, marks: BlockMap, *, whole: bool) -> Iterator[tuple[int, int]]:
    """(offset, length) in bytes of what must be zero behind the source's end: deviating blocks, or all."""
    runs = iter([(size // BLOCK, marks.blocks)]) if whole else marks.runs(DEVIATING, size // BLOCK, marks.blocks)
    for first, count in runs:
        for at in range(max(first * BLOCK, size), min((first + count) * BLOCK, end), _ZERO_STEP):
            yield at, min(_ZERO_STEP, (first + count) * BLOCK - at, end - at)


def _check_behind(work: DeltaPass, device: Device, behind: Iterable[tuple[int, int]]) -> None:
    for offset, length in behind:
        for at, size in _not_zero(work, offset, length):
            raise ReadBackDiffers(device.path, at, size, 1)


def _not_zero(work: DeltaPass, offset: int, length: int) -> Iterator[tuple[int, int]]:
    """(offset, length) of pieces of the device that are not all zeroes."""
    buffer = aligned_buffer(REQUEST * BLOCK)
    for at in range(offset, offset + length, len(buffer)):
        piece = buffer[: min(len(buffer), offset + length - at)]
        work.read_device(at, piece)
        if not is_zero(piece):
            yield at, len(piece)


def _check_unread(
    work: DeltaPass, source: Pinned, file: DigestFile, threads: int, meter: Meter, heed_stop: Callable[[], None]
) -> None:
    """Read of the source what the change list left out, and raise `ChangesIncomplete` if it changed all the same."""
    if wrong := ReadBack(source, source.source.location, file, work.unread()).run(threads, meter, heed_stop):
        raise ChangesIncomplete(source.source.location, wrong.offset, wrong.blocks)
