"""An open block device or regular file, with and without the page cache. Offsets and lengths are in bytes."""

from __future__ import annotations

import errno
import fcntl
import os
import stat

from runner.blocks.buffers import PAGE, aligned_buffer, is_aligned
from runner.blocks.errors import ShortRead

_BLKFLSBUF = 0x1261  # linux/fs.h


class NotADisk(Exception):
    """The path leads to something that is neither a block device nor a regular file; the text says to what."""


class DiskFile:
    """Reads and writes whole requests, past the page cache (O_DIRECT) where that is wanted and taken.

    What is not aligned to 4096 bytes in memory, place or length goes through the page cache: only a disk's last
    bytes, and small samples. Raises `OSError` and `NotADisk`.
    """

    def __init__(self, path: str, *, writable: bool, direct: bool, follow: bool = True) -> None:
        self.path = path
        self.direct_fd = -1
        # O_NONBLOCK: opening a FIFO must not wait for its other end. What a user names may be a link (by-id entries
        # are such), what an image names may not.
        flags = (os.O_RDWR if writable else os.O_RDONLY) | os.O_CLOEXEC
        self.fd = os.open(path, flags | os.O_NONBLOCK | (0 if follow else os.O_NOFOLLOW))
        try:
            mode = os.fstat(self.fd).st_mode
            self.is_block = stat.S_ISBLK(mode)
            if not self.is_block and not stat.S_ISREG(mode):
                raise NotADisk("it is a directory" if stat.S_ISDIR(mode) else "it is no file and no block device")
            if self.is_block and writable:
                # On a block device O_EXCL without O_CREAT claims it for us, as mounts, LVM and md do (open(2)).
                claimed = os.open(self._again(), flags | os.O_EXCL)
                os.close(self.fd)
                self.fd = claimed
            # st_size of a block device is 0; a seek to the end is right for both.
            self.size = os.lseek(self.fd, 0, os.SEEK_END)
            if direct:
                self.direct_fd = self._open_direct(flags)
        except BaseException:
            self.close()
            raise

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Fill the buffer; raises `ShortRead` where the file ends before."""
        direct = self._direct_part(offset, buffer)
        done = 0
        while done < len(buffer):
            fd, end = (self.direct_fd, direct) if done < direct else (self.fd, len(buffer))
            got = os.preadv(fd, [buffer[done:end]], offset + done)
            if got == 0:
                raise ShortRead(self.path, offset, len(buffer), done)
            done += got
            if done < direct and done % PAGE:
                direct = done  # the file ends inside this page: the cache tells how far
        return

    def write(self, offset: int, buffer: memoryview) -> None:
        """Write the whole buffer."""
        direct = self._direct_part(offset, buffer)
        done = 0
        while done < len(buffer):
            fd, end = (self.direct_fd, direct) if done < direct else (self.fd, len(buffer))
            wrote = os.pwritev(fd, [buffer[done:end]], offset + done)
            if wrote == 0:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            done += wrote
            if done < direct and done % PAGE:
                direct = done
        return

    def forget_cache(self) -> None:
        """Let later reads come from the disk: for a flushed file whose O_DIRECT was not taken."""
        if self.is_block:
            fcntl.ioctl(self.fd, _BLKFLSBUF, 0)
        else:
            os.posix_fadvise(self.fd, 0, 0, os.POSIX_FADV_DONTNEED)

    def close(self) -> None:
        """Close; a second call does nothing."""
        for fd in (self.fd, self.direct_fd):
            if fd >= 0:
                os.close(fd)
        self.fd = self.direct_fd = -1

    def _again(self) -> str:
        """A path that opens the very same file, whatever the name points to by now."""
        return f"/proc/self/fd/{self.fd}"

    def _open_direct(self, flags: int) -> int:
        """A descriptor with O_DIRECT, or -1: some file systems refuse it at open, others at the first read."""
        try:
            fd = os.open(self._again(), flags | os.O_DIRECT)
        except OSError:
            return -1
        try:
            os.preadv(fd, [aligned_buffer(PAGE)], 0)
        except OSError as error:
            os.close(fd)
            if error.errno == errno.EINVAL:
                return -1
            raise
        return fd

    def _direct_part(self, offset: int, buffer: memoryview) -> int:
        """How many of the buffer's first bytes can go past the page cache."""
        if self.direct_fd < 0 or not is_aligned(buffer, offset):
            return 0
        return len(buffer) // PAGE * PAGE
