"""The files with passphrases for a guest's LUKS volumes: read once, and never shown.

libguestfs takes a passphrase as C text, hence UTF-8 without null bytes (guestfs(3), guestfs_cryptsetup_open).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from schemas.errors import Refused

BYTES_MOST = 8 * 1024  # what cryptsetup takes of a key file by default (cryptsetup --help)
_OTHERS = 0o077


class KeyFileUnfit(Refused):
    """A file with a LUKS key that is not taken. `fault` tells nothing of what is in it."""

    def __init__(self, path: str, fault: str, hint: str) -> None:
        super().__init__(f"The LUKS key file {path} {fault}.", hint)
        self.path = path
        self.fault = fault


def read_keys(paths: Sequence[Path]) -> tuple[str, ...]:
    """The passphrases, in order; a newline at the end is not part of one. Raises `KeyFileUnfit`."""
    return tuple(_read(path) for path in paths)


def _read(path: Path) -> str:
    content = _content(path)
    content = content.removesuffix(b"\n")
    again = "Write the passphrase into it, on one line."
    if not content:
        raise KeyFileUnfit(str(path), "is empty", again)
    other = "Add a passphrase of text to the volume (cryptsetup luksAddKey in the guest), and name a file with that."
    if b"\0" in content:
        raise KeyFileUnfit(str(path), "holds a null byte, so it is no passphrase", other)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        pass  # the error would show the bytes
    raise KeyFileUnfit(str(path), "is no UTF-8 text, so it is no passphrase", other)


def _content(path: Path) -> bytes:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # to open a FIFO would wait
    except OSError as error:
        hint = "Name a file that holds the passphrase, relative to the spec."
        raise KeyFileUnfit(str(path), f"cannot be read ({error.strerror})", hint) from error
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise KeyFileUnfit(str(path), "is no plain file", "Write the passphrase into a file.")
        if found.st_mode & _OTHERS:
            mode = f"{stat.S_IMODE(found.st_mode):04o}"
            raise KeyFileUnfit(str(path), f"may be read by others than its owner (mode {mode})", f"chmod 600 {path}")
        content = os.read(fd, BYTES_MOST + 1)
    finally:
        os.close(fd)
    if len(content) > BYTES_MOST:
        raise KeyFileUnfit(str(path), f"has more than {BYTES_MOST} bytes", "Name a file with the passphrase alone.")
    return content
