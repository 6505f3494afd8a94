"""What a file of the lab's holds, read without anything of hotadd's."""

from __future__ import annotations

import errno
import os
from pathlib import Path

_CHUNK = 1 << 20


def assert_holds(file: Path, content: bytes) -> None:
    """It holds that content, and nothing but zeroes after it (the kernel knows the holes)."""
    with open(file, "rb") as held:
        assert held.read(len(content)) == content, f"{file.name} holds other bytes"
        at = len(content)
        while (at := _data_from(held.fileno(), at)) >= 0:
            assert os.pread(held.fileno(), _CHUNK, at).count(0) in (_CHUNK, os.fstat(held.fileno()).st_size - at), at
            at += _CHUNK


def _data_from(descriptor: int, at: int) -> int:
    try:
        return os.lseek(descriptor, at, os.SEEK_DATA)
    except OSError as error:
        if error.errno != errno.ENXIO:
            raise
        return -1
