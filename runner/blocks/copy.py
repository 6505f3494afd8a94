"""Copying one disk: from a source onto a device, digesting every block, resumable at any moment."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from runner.blocks.beginning import Beginning, begin
from runner.blocks.checkpoint import Checkpoint
from runner.blocks.device import Device
from runner.blocks.digests import DATA, ZERO
from runner.blocks.fingerprint import Fingerprint
from runner.blocks.limit import RateLimit
from runner.blocks.pinned import Pinned, refuse_misfit
from runner.blocks.progress import Meter, Progress
from runner.blocks.readback import check_device
from runner.blocks.recording import recording
from runner.blocks.source import Source
from runner.blocks.transfer import Transfer

Zeroes = Literal["auto", "skip", "write"]
Verify = Literal["none", "written", "full"]
SAVE_BYTES = 1 << 30  # between two flushes, if five seconds are not over before; what a killed copy does again at most


@dataclass(frozen=True, slots=True)
class CopyResult:
    """What one call did. In bytes; data, zeroes skipped, zeroes written and resumed add up to the total.

    `digest_file_digest` is BLAKE3 of the digest file, 64 hexadecimal digits. `source` is what the source was, before
    and after.
    """

    bytes_total: int
    bytes_data: int
    bytes_zero_skipped: int
    bytes_zero_written: int
    bytes_resumed: int
    seconds: float
    digest_file_digest: str
    verified: bool
    source: Fingerprint


def copy_disk(
    source: Source,
    device: Device,
    *,
    disk: str,
    generation: int,
    digests: Path,
    checkpoint: Path,
    zeroes: Zeroes = "auto",
    blank: bool = False,
    verify: Verify = "none",
    progress: Callable[[Progress], None] = lambda _: None,
    stop: Callable[[], bool] = lambda: False,
    threads: int = 8,
    save_bytes: int = SAVE_BYTES,
    limit: RateLimit | None = None,
) -> CopyResult:
    """Copy a disk onto a device that may be larger (what lies behind the source's end is left alone).

    `blank` says that the device is a fresh blank of our own. Zeroes are written, except: `zeroes="skip"`, or "auto"
    on a blank of which a sample has read back as zeroes. The same call again, after a kill or an error, goes on from
    the last device flush (each 5 seconds or `save_bytes`), if source and device are still the same; else it starts
    over and writes zeroes too. When the device is given to anything else that writes to it, delete `checkpoint`
    and say `blank=False` from then on. `digests` gets its name when all is copied and verified. `progress` is called
    about once a second, `stop` before each request. `limit` may be shared among disks.

    Raises `DeviceTooSmall`, `SameDisk`, `SourceChanged`, `ReadFailed`, `ShortRead`, `WriteFailed`, `FlushFailed`,
    `ReadBackDiffers`, `RecordFailed`, and `Stopped` when `stop` says so; of several errors the first.
    """
    began = time.monotonic()
    before = source.fingerprint()
    refuse_misfit(source, device, before)
    what = (disk, generation, source.location, source.size, before, device.identity())
    asked = Checkpoint("", *what, blank=blank, zeroes=zeroes, skips=False)
    with recording(digests):
        beginning = begin(asked, device, digests, checkpoint)
    with contextlib.closing(beginning.digests):
        pinned = Pinned(source, beginning.checkpoint.source)
        copy = Transfer(pinned, device, beginning, stop=stop, save_bytes=save_bytes, limit=limit)
        copy.run(threads, Meter(disk, source.size, copy.resumed, progress, "copy"))
        if verify != "none":
            states = (DATA, ZERO) if verify == "full" or not beginning.checkpoint.skips else (DATA,)
            meter = Meter(disk, source.size, 0, progress, "verify")
            runs = beginning.digests.runs_of(states)
            check_device(device, beginning.digests, runs, threads, meter, copy.heed_stop)
            pinned.check()
        digest = _finish(beginning, checkpoint)
    return CopyResult(
        bytes_total=source.size,
        bytes_data=copy.data,
        bytes_zero_skipped=copy.skipped,
        bytes_zero_written=copy.zeroed,
        bytes_resumed=copy.resumed,
        seconds=time.monotonic() - began,
        digest_file_digest=digest,
        verified=verify != "none",
        source=before,
    )


def _finish(beginning: Beginning, checkpoint: Path) -> str:
    """Seal the digest file, note that all is copied, publish: killed in between, the next call goes on from there."""
    with recording(beginning.digests.path):
        digest = beginning.digests.seal()
        replace(beginning.checkpoint, digest=digest).write(checkpoint)
        beginning.digests.publish()
    return digest
