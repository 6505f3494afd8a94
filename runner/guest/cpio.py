"""The members of an initramfs, read by this machine's own processor: the guest's lister takes an emulated one a minute.

An initramfs is a row of cpio archives (newc or crc) with zeroes between, of which the last may be compressed
(https://docs.kernel.org/driver-api/early-userspace/buffer-format.html). It is the guest's, so nothing in it is trusted:
all bounds are checked, and what cannot be read is nobody's error.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Collection
from pathlib import Path
from typing import IO

from runner.process import Leashed

_CPIO = (b"070701", b"070702")
_TRAILER = "TRAILER!!!"
_HEADER = 110  # bytes: the magic, and 13 numbers of eight hexadecimal digits
_FILE_SIZE, _NAME_SIZE = 6, 11  # of these numbers
# What the kernel's decompressors look for (its lib/decompress.c), and Debian's programs for it.
_PROGRAMS: tuple[tuple[bytes, tuple[str, ...]], ...] = (
    (b"\x1f\x8b", ("gzip", "-dc")),
    (b"BZh", ("bzip2", "-dc")),
    (b"\xfd7zXZ", ("xz", "-dc", "--memlimit-decompress=512MiB")),
    (b"\x5d\x00\x00", ("xz", "-dc", "--format=lzma", "--memlimit-decompress=512MiB")),
    (b"\x89LZO", ("lzop", "-dc")),
    (b"\x02\x21\x4c\x18", ("lz4", "-dc")),
    (b"\x28\xb5\x2f\xfd", ("zstd", "-dcq")),
)
_KEPT_MOST = 1024 * 1024  # bytes of a member whose content is asked for; tables have a few hundred
_NAME_MOST = 4096  # bytes: PATH_MAX
_NAMES_MOST = 200_000  # an image with all modules has 5,000
_BYTES_MOST = 2 * 1024**3  # unpacked; one with all modules and firmware has 1 GiB at most
_CHUNK = 1024 * 1024
_ZEROES_MOST = 64 * 1024  # bytes between two archives: they are aligned to sectors, at most to pages


class _Unreadable(Exception):
    """It is no initramfs, or a damaged one, or in a compression without a program here."""


class _Reader:
    """A stream that counts its bytes."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.at = 0

    def take(self, count: int) -> bytes:
        """The next bytes, fewer at the end alone."""
        found = self._file.read(count)
        self.at += len(found)
        if self.at > _BYTES_MOST:
            raise _Unreadable
        return found

    def skip(self, count: int) -> None:
        """Pass over bytes that must be there."""
        while count:
            passed = len(self.take(min(count, _CHUNK)))
            if not passed:
                raise _Unreadable
            count -= passed

    def magic(self) -> bytes:
        """The first six bytes after the zeroes between two archives; fewer at the end."""
        begun = self.at
        while (start := self.take(4)) == bytes(4):
            if self.at - begun > _ZEROES_MOST:
                raise _Unreadable
        return start + self.take(2) if len(start) == 4 else b""


def read_members(path: Path, kept: Collection[str] = ()) -> dict[str, bytes] | None:
    """The paths of all members as they are written there, with the content of those in `kept` (empty for the others).

    None for what cannot be read.
    """
    members: dict[str, bytes] = {}
    try:
        with path.open("rb") as file:
            reader = _Reader(file)
            magic = _archives(reader, kept, members)
            if magic:
                _packed(path, reader.at - len(magic), magic, kept, members)
    except (OSError, ValueError, _Unreadable):
        return None
    return members or None


def _archives(reader: _Reader, kept: Collection[str], members: dict[str, bytes]) -> bytes:
    """Read one archive after the other; the first bytes of what is none, empty at the end."""
    while (magic := reader.magic()) in _CPIO:
        start = reader.at - len(magic)
        while (member := _member(reader, start, magic, kept))[0] != _TRAILER:
            members[member[0]] = member[1]
            if len(members) > _NAMES_MOST:
                raise _Unreadable
            magic = reader.take(len(magic))
    return magic


def _member(reader: _Reader, start: int, magic: bytes, kept: Collection[str]) -> tuple[str, bytes]:
    """The member whose magic was read; all parts are aligned to four bytes from the archive's start."""
    digits = reader.take(_HEADER - len(magic))
    if magic not in _CPIO or len(digits) != _HEADER - len(magic):
        raise _Unreadable
    numbers = [int(digits[at : at + 8], 16) for at in range(0, len(digits), 8)]
    size = numbers[_FILE_SIZE]
    if not 1 < numbers[_NAME_SIZE] <= _NAME_MOST or min(numbers) < 0:
        raise _Unreadable
    name = os.fsdecode(reader.take(numbers[_NAME_SIZE]).rstrip(b"\0"))
    reader.skip((start - reader.at) % 4)
    content = reader.take(size) if name in kept and size <= _KEPT_MOST else b""
    reader.skip(size - len(content))
    reader.skip((start - reader.at) % 4)
    return name, content


def _packed(path: Path, offset: int, magic: bytes, kept: Collection[str], members: dict[str, bytes]) -> None:
    """Read the archives in the compressed rest of a file."""
    program = next((program for start, program in _PROGRAMS if magic.startswith(start)), None)
    if program is None:
        raise _Unreadable
    with path.open("rb", buffering=0) as file:
        file.seek(offset)
        leashed = Leashed(program, stdin=file, stderr=subprocess.DEVNULL)
        try:
            assert leashed.process.stdout is not None
            if _archives(_Reader(leashed.process.stdout), kept, members):
                raise _Unreadable
        finally:
            leashed.end()
