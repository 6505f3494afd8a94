"""A copy in memory or on files, and what the target must hold by the source's own bytes."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from blake3 import blake3

from runner.blocks.copy import CopyResult, copy_disk
from runner.blocks.digests import ZERO, DigestFile
from runner.blocks.memory import MemoryDevice

HALF_MIB = 512 * 1024


class Killed(BaseException):
    """Ends a copy as a kill does: nothing is saved on the way out."""


@dataclass
class FailingDevice:
    """A memory device of which the nth write, zeroing, flush or read fails; all others reach the device beneath."""

    inner: MemoryDevice
    fail_write: int = -1
    fail_zeroes: int = -1
    fail_flush: int = -1
    fail_read: int = -1
    error: BaseException = field(default_factory=lambda: OSError(errno.EIO, os.strerror(errno.EIO)))
    calls: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.path, self.size, self.identity, self.close = (
            self.inner.path,
            self.inner.size,
            self.inner.identity,
            self.inner.close,
        )

    def _count(self, what: str, limit: int) -> None:
        self.calls[what] = self.calls.get(what, 0) + 1
        if 0 <= limit < self.calls[what]:
            raise self.error

    def read_into(self, offset: int, buffer: memoryview) -> None:
        self._count("read", self.fail_read)
        self.inner.read_into(offset, buffer)

    def write(self, offset: int, buffer: memoryview) -> None:
        self._count("write", self.fail_write)
        self.inner.write(offset, buffer)

    def write_zeroes(self, offset: int, length: int) -> None:
        self._count("zeroes", self.fail_zeroes)
        self.inner.write_zeroes(offset, length)

    def flush(self) -> None:
        self._count("flush", self.fail_flush)
        self.inner.flush()


@dataclass
class Bench:
    """Where one disk's copy keeps its files; `copy` runs it."""

    folder: Path

    @property
    def digests(self) -> Path:
        return self.folder / "disk.digests"

    @property
    def checkpoint(self) -> Path:
        return self.folder / "disk.checkpoint"

    def copy(self, source: Any, device: Any, **options: Any) -> CopyResult:
        names = {"disk": "disk0", "generation": 1, "digests": self.digests, "checkpoint": self.checkpoint}
        return copy_disk(source, device, **{**names, **options})

    def check_digests(self, content: bytes) -> None:
        """Every block's digest, by blake3 of the source's bytes, the last block padded."""
        file = DigestFile.open(self.digests)
        assert file.size == len(content)
        for block, at in enumerate(range(0, len(content), HALF_MIB)):
            piece = content[at : at + HALF_MIB].ljust(HALF_MIB, b"\0")
            expected = blake3(piece).digest()[:16] if any(piece) else ZERO
            assert file.get(block) == expected, f"block {block}"
        file.close()
