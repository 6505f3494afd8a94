"""What a target disk is to the engine, and block devices and files as such."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import struct
from typing import Protocol

from runner.blocks.buffers import PAGE
from runner.blocks.diskfile import DiskFile, NotADisk
from runner.blocks.errors import DeviceBusy, DeviceMissing, DeviceUnusable
from runner.blocks.fingerprint import DeviceIdentity

_BLKZEROOUT = 0x127F  # linux/fs.h; takes the first byte and the number of bytes, in whole logical sectors
_PUNCH_HOLE_KEEP_SIZE = 0x02 | 0x01  # linux/falloc.h
_ZERO_PAGES = bytes(1024 * 1024)
_fallocate = ctypes.CDLL(None, use_errno=True).fallocate
_fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
_fallocate.restype = ctypes.c_int


class Device(Protocol):
    """A disk to write. Several threads call `read_into`, `write` and `write_zeroes` at once. All raise `OSError`."""

    @property
    def path(self) -> str:
        """Where it is, for messages."""

    @property
    def size(self) -> int:
        """Its bytes."""

    def identity(self) -> DeviceIdentity:
        """What a checkpoint knows it by."""

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Fill the buffer from this byte on; raises `ShortRead` too."""

    def write(self, offset: int, buffer: memoryview) -> None:
        """Write the whole buffer at this byte."""

    def write_zeroes(self, offset: int, length: int) -> None:
        """Make these bytes read as zeroes."""

    def flush(self) -> None:
        """Return when everything written before is on the medium, and whatever follows reads it from there."""

    def close(self) -> None:
        """Let go of it; a second call does nothing."""


class FileDevice:
    """A block device, held exclusively, or a regular file; O_DIRECT where it is taken."""

    def __init__(self, file: DiskFile) -> None:
        self._file = file
        self.path = file.path
        self.size = file.size
        self.is_direct = file.direct_fd >= 0
        self.read_into = file.read_into
        self.write = file.write

    def identity(self) -> DeviceIdentity:
        """Path and size, and of a regular file its inode."""
        status = os.fstat(self._file.fd)
        inode = (0, 0) if self._file.is_block else (status.st_ino, status.st_dev)
        return DeviceIdentity(self.path, self.size, *inode)

    def write_zeroes(self, offset: int, length: int) -> None:
        """By the kernel (BLKZEROOUT; a hole in a file), else as written zeroes."""
        if self._file.is_block:
            # Sectors are 512 or 4096 bytes: whole pages suit both, the rest is written.
            start, end = -(-offset // PAGE) * PAGE, (offset + length) // PAGE * PAGE
            if start < end:
                fcntl.ioctl(self._file.fd, _BLKZEROOUT, struct.pack("QQ", start, end - start))
                self._write_out(offset, start - offset)
                self._write_out(end, offset + length - end)
                return
        elif _fallocate(self._file.fd, _PUNCH_HOLE_KEEP_SIZE, offset, length) == 0:
            return
        elif ctypes.get_errno() not in (errno.EOPNOTSUPP, errno.ENOSYS):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        self._write_out(offset, length)

    def flush(self) -> None:
        """fdatasync, which also empties a disk's own cache; then drop what the page cache holds of it."""
        os.fdatasync(self._file.fd)
        if self._file.is_block or not self.is_direct:
            self._file.forget_cache()

    def close(self) -> None:
        """Close, and so give up the claim on a block device."""
        self._file.close()

    def _write_out(self, offset: int, length: int) -> None:
        while length > 0:
            step = min(length, len(_ZERO_PAGES))
            self._file.write(offset, memoryview(_ZERO_PAGES)[:step])
            offset, length = offset + step, length - step


def open_device(path: str, *, writable: bool = True) -> FileDevice:
    """Open a target that exists: a block device (claimed until `close`) or a regular file.

    Raises `DeviceMissing`, `DeviceUnusable`, `DeviceBusy`.
    """
    try:
        return FileDevice(DiskFile(path, writable=writable, direct=True))
    except FileNotFoundError as error:
        raise DeviceMissing(path) from error
    except NotADisk as error:
        raise DeviceUnusable(path, str(error)) from error
    except OSError as error:
        if error.errno == errno.EBUSY:
            raise DeviceBusy(path) from error
        # Opening a directory for writing fails before we can look at it.
        raise DeviceUnusable(path, os.strerror(error.errno or errno.EIO).lower()) from error
