"""A source held to what it was when its copy began, and the checks that a source and a target fit together."""

from __future__ import annotations

import os
from collections.abc import Iterator

from runner.blocks.device import Device
from runner.blocks.errors import DeviceTooSmall, ReadFailed, SameDisk, ShortRead, SourceChanged
from runner.blocks.extent import Extent, Run, block_runs
from runner.blocks.fingerprint import Fingerprint
from runner.blocks.source import Source


class Pinned:
    """A source, and its fingerprint as it was found (or, for a copy that goes on, as it was then)."""

    def __init__(self, source: Source, before: Fingerprint) -> None:
        self.source = source
        self.before = before
        self.size = source.size

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Fill the buffer; raises `ReadFailed` with the place, `ShortRead`, `ImageDamaged`."""
        try:
            self.source.read_into(offset, buffer)
        except OSError as error:
            raise ReadFailed(self.source.location, offset, error) from error

    def runs(self) -> Iterator[Run]:
        """The source's runs of blocks; raises `ReadFailed` with the place from which on its map cannot be read."""
        return block_runs(self._extents(), self.size)

    def _extents(self) -> Iterator[Extent]:
        at = 0
        try:
            for extent in self.source.extents():
                at = extent.end
                yield extent
        except OSError as error:
            raise ReadFailed(self.source.location, at, error) from error

    def check(self) -> None:
        """Raise `SourceChanged` unless the source is what it was at the start."""
        try:
            now = self.source.fingerprint()
        except OSError as error:
            raise SourceChanged(self.source.location, f"it cannot be looked up any more ({error.strerror})") from error
        if changes := self.before.changes(now):
            raise SourceChanged(self.source.location, changes)

    def explain(self, error: ReadFailed | ShortRead) -> None:
        """Raise `SourceChanged` if that is why a read failed: a file that was truncated is a source that changed."""
        try:
            self.check()
        except SourceChanged as change:
            raise change from error


def refuse_misfit(source: Source, device: Device, fingerprint: Fingerprint) -> None:
    """Raise `DeviceTooSmall`, or `SameDisk` if both are one (by inode, or by path)."""
    if device.size < source.size:
        raise DeviceTooSmall(device.path, device.size, source.size)
    identity = device.identity()
    same_file = identity.inode and (identity.inode, identity.device) == (fingerprint.inode, fingerprint.device)
    paths = [os.path.realpath(path) for path in (source.location, device.path)]
    if same_file or (paths[0] == paths[1] and os.path.exists(paths[0])):
        raise SameDisk(device.path)
