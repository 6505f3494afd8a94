"""How a copy begins: where an earlier one ended, or at the front; and whether zeroes need writing.

A copy that is begun again finds its checkpoint. It is trusted if source, target and request are the same, and a
sample of the blocks it vouches for reads back as they should. If anything differs the copy starts over, and then the
target is no blank any more, whatever the caller says: the earlier copy wrote there.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from runner.blocks.buffers import PAGE, aligned_buffer, is_zero
from runner.blocks.checkpoint import Checkpoint, read_checkpoint
from runner.blocks.device import Device
from runner.blocks.digests import ZERO, DigestFile, digest_of
from runner.blocks.errors import DigestsDamaged, ReadFailed
from runner.blocks.extent import BLOCK

_SAMPLES = 64  # places; a wrong disk or a used volume differs in nearly all of them
_EDGE = 1024 * 1024  # bytes; partition tables and boot loaders live in a disk's first and last MiB


@dataclass(frozen=True, slots=True)
class Beginning:
    """The open partial digest file and the checkpoint of the copy to go on with."""

    digests: DigestFile
    checkpoint: Checkpoint


def begin(asked: Checkpoint, device: Device, digests: Path, checkpoint: Path) -> Beginning:
    """Go on with an earlier copy if its checkpoint can be trusted, else start over.

    `asked` has what the caller wants; its `run`, `skips` and `digest` are chosen here. Directories are made. Raises
    `OSError` of the two files, `ReadFailed` and `ShortRead` of the device.
    """
    for path in (digests, checkpoint):
        path.parent.mkdir(parents=True, exist_ok=True)
    try:
        found = read_checkpoint(checkpoint)
        used = True
    except FileNotFoundError:
        found, used = None, False
    if found is not None and found.is_of(asked):
        earlier = _earlier_digests(found, digests)
        if earlier is not None and _reads_back(device, earlier):
            return Beginning(earlier, found)
        if earlier is not None:
            earlier.close()
    run = os.urandom(16)
    fresh = replace(asked, run=run.hex(), digest="", skips=_may_skip(asked, device, used))
    file = DigestFile.create(digests, disk=asked.disk, generation=asked.generation, size=asked.size, run=run)
    fresh.write(checkpoint)
    return Beginning(file, fresh)


def _earlier_digests(found: Checkpoint, path: Path) -> DigestFile | None:
    """The digest file that belongs to this checkpoint, or None.

    A sealed file no longer has its run in the header. It is this copy's all the same while it has the partial name:
    another copy makes that file anew before it replaces the checkpoint.
    """
    candidates = [DigestFile.open_partial] + ([DigestFile.open] if found.digest else [])
    for candidate in candidates:
        try:
            file = candidate(path)
        except (FileNotFoundError, DigestsDamaged):
            continue
        same = (file.disk, file.generation, file.size) == (found.disk, found.generation, found.size)
        ours = file.own_digest() == found.digest if found.digest else file.is_complete or file.run.hex() == found.run
        if same and ours:
            return file
        file.close()
    return None


def _reads_back(device: Device, digests: DigestFile) -> bool:
    """Whether a sample of the blocks that are said to be copied is on the device."""
    block = aligned_buffer(BLOCK)
    for number in digests.sample(_SAMPLES):
        length = min(BLOCK, digests.size - number * BLOCK)
        block[length:] = bytes(BLOCK - length)
        _read(device, number * BLOCK, block[:length])
        expected = digests.get(number)
        if not (is_zero(block) if expected is ZERO else digest_of(block) == expected):
            return False
    return True


def _read(device: Device, offset: int, buffer: memoryview) -> None:
    try:
        device.read_into(offset, buffer)
    except OSError as error:
        raise ReadFailed(device.path, offset, error) from error


def _may_skip(asked: Checkpoint, device: Device, used: bool) -> bool:
    """Whether zeroes may be left unwritten."""
    if used or asked.zeroes == "write":
        return False
    return asked.zeroes == "skip" or (asked.blank and _is_blank(device, asked.size))


def _is_blank(device: Device, size: int) -> bool:
    """Whether a sample of the device's first `size` bytes reads as zeroes: both ends, and pages in between."""
    edge = min(_EDGE, size)
    places = [(0, edge), (size - edge, edge)]
    places += [(size // _SAMPLES * n // PAGE * PAGE, min(PAGE, size)) for n in range(_SAMPLES)]
    buffer = aligned_buffer(_EDGE)
    for offset, length in places:
        piece = buffer[: min(length, size - offset)]
        _read(device, offset, piece)
        if not is_zero(piece):
            return False
    return True
