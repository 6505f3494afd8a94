"""One connection to an NBD server, through libnbd. Offsets and lengths are in bytes.

Every call is libnbd's asynchronous one, driven by a poll of our own: its blocking calls wait with the interpreter's
lock held (libnbd 1.14), and for ever when a server falls silent.
"""

from __future__ import annotations

import errno
import os
import select
import time
from typing import Any

import nbd

SILENCE_SECONDS = 60.0  # a server that says nothing for so long while an answer is due is gone
_CONTEXT = "base:allocation"
_HOLE, _ZERO = 1, 2  # NBD_STATE_HOLE, NBD_STATE_ZERO of the NBD protocol's base:allocation
_STATUS_MOST = 1 << 31  # bytes asked about at once: the protocol's length has 32 bits
_READ_MOST = 32 * 1024 * 1024  # what every server takes unless it says less (NBD protocol, "Size constraints")


class NbdLink:
    """A connection that has passed its handshake. For one thread at a time; raises `OSError`."""

    def __init__(self, uri: str, silence_seconds: float = SILENCE_SECONDS) -> None:
        self._silence = silence_seconds
        self._nbd: Any = nbd.NBD()
        self._nbd.set_pread_initialize(False)  # a buffer of a failed read is thrown away
        self._nbd.add_meta_context(_CONTEXT)
        self._nbd.set_uri_allow_local_file(True)  # the operator's own URI may name a TLS key
        try:
            self._nbd.aio_connect_uri(uri)
            self._drive(self._is_connected)
            self.size: int = self._nbd.get_size()
            self.shares: bool = self._nbd.can_multi_conn()
            self._knows_holes: bool = self._nbd.can_meta_context(_CONTEXT)
            self._unit = max(1, self._nbd.get_block_size(nbd.SIZE_MINIMUM))
            self._most = self._nbd.get_block_size(nbd.SIZE_MAXIMUM) or _READ_MOST
        except nbd.Error as error:
            raise _as_oserror(error) from error

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Fill the buffer; the range lies in the export."""
        if offset % self._unit or len(buffer) % self._unit:
            low = offset // self._unit * self._unit
            high = min(-(-(offset + len(buffer)) // self._unit) * self._unit, self.size)
            whole = memoryview(bytearray(high - low))
            self._read(low, whole)
            buffer[:] = whole[offset - low : offset - low + len(buffer)]
            return
        self._read(offset, buffer)

    def states(self, offset: int, length: int) -> list[tuple[int, bool, bool]]:
        """(length, is a hole, reads as zeroes) from `offset` on: at least one, at most `length` bytes in all."""
        if not self._knows_holes:
            return [(length, False, False)]
        told: list[int] = []

        def keep(context: str, _offset: int, entries: list[int], _error: Any) -> int:
            if context == _CONTEXT and not told:
                told.extend(entries)
            return 0

        asked = min(length, _STATUS_MOST)
        try:
            self._finish(self._nbd.aio_block_status(asked, offset, keep))
        except nbd.Error as error:
            raise _as_oserror(error) from error
        left = length
        result = []
        for piece, flags in zip(told[::2], told[1::2], strict=False):
            taken = min(piece, left)
            if taken > 0:
                result.append((taken, bool(flags & _HOLE), bool(flags & _ZERO)))
            left -= taken
        return result or [(asked, False, False)]  # a server may answer nothing at all: then it is data

    def close(self) -> None:
        """Hang up; a second call does nothing."""
        self._nbd = None  # libnbd's handle has no other way; what is under way is dropped

    def _read(self, offset: int, buffer: memoryview) -> None:
        done = 0
        step = max(self._unit, self._most // self._unit * self._unit)
        try:
            while done < len(buffer):
                piece = buffer[done : done + step]
                self._finish(self._nbd.aio_pread(piece, offset + done))
                done += len(piece)
        except nbd.Error as error:
            raise _as_oserror(error) from error

    def _finish(self, cookie: int) -> None:
        self._drive(lambda: bool(self._nbd.aio_command_completed(cookie)))

    def _is_connected(self) -> bool:
        if self._nbd.aio_is_dead() or self._nbd.aio_is_closed():
            raise OSError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
        return bool(self._nbd.aio_is_ready())

    def _drive(self, is_done: Any) -> None:
        """Let the connection do its work until `is_done`; the poll itself lets other threads run."""
        deadline = time.monotonic() + self._silence
        while not is_done():
            direction = self._nbd.aio_get_direction()
            events = (select.POLLIN if direction & nbd.AIO_DIRECTION_READ else 0) | (
                select.POLLOUT if direction & nbd.AIO_DIRECTION_WRITE else 0
            )
            poll = select.poll()
            poll.register(self._nbd.aio_get_fd(), events)
            ready = poll.poll(max(0.0, deadline - time.monotonic()) * 1000)
            if not ready:
                raise OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
            deadline = time.monotonic() + self._silence
            happened = ready[0][1]
            if happened & select.POLLIN and direction & nbd.AIO_DIRECTION_READ:
                self._nbd.aio_notify_read()
            elif happened & select.POLLOUT and direction & nbd.AIO_DIRECTION_WRITE:
                self._nbd.aio_notify_write()
            elif direction & nbd.AIO_DIRECTION_READ:
                self._nbd.aio_notify_read()  # hung up: libnbd looks why
            else:
                self._nbd.aio_notify_write()


def _as_oserror(error: Any) -> OSError:
    number = error.errnum or errno.ECONNRESET
    return OSError(number, error.string)
