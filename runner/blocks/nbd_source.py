"""An NBD export as a source: any server's disk, VDDK's and nbdkit's among them. Offsets and lengths are in bytes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from threading import Condition

from runner.blocks.errors import ShortRead, SourceEmpty, SourceUnusable
from runner.blocks.extent import Extent, Kind
from runner.blocks.fingerprint import Fingerprint
from runner.blocks.nbd_link import SILENCE_SECONDS, NbdLink

_LINKS_MOST = 8  # one a reading thread; a copy has four


class NbdSource:
    """The export an `nbd://`, `nbd+unix://` (with TLS: `nbds`) URI names.

    Reads go over several connections if the server says that it may be shared (NBD_FLAG_CAN_MULTI_CONN), else over
    one. Raises `SourceUnusable`, `SourceEmpty`. The server names no version of its disk: a change of the bytes at the
    same size goes unseen, so the server must hold them still.
    """

    def __init__(self, uri: str, silence_seconds: float = SILENCE_SECONDS) -> None:
        self.location = uri
        self._silence = silence_seconds
        try:
            first = NbdLink(uri, silence_seconds)
        except OSError as error:
            raise SourceUnusable(uri, error.strerror or str(error)) from error
        self.size = first.size
        self._open = self._allowed = 1
        self._idle = [first]
        self._free = Condition()
        if not self.size:
            self.close()
            raise SourceEmpty(uri)
        if first.shares:
            self._allowed = _LINKS_MOST

    def fingerprint(self) -> Fingerprint:
        """The size; it is all that the protocol tells."""
        return Fingerprint(self.size, 0, 0, 0)

    def extents(self) -> Iterator[Extent]:
        """As the server's base:allocation has it; all data where it has none."""
        at = 0
        while at < self.size:
            with self._link() as link:
                states = link.states(at, self.size - at)
            for length, hole, zero in states:
                kind: Kind = "data" if not zero else "hole" if hole else "zero"
                yield Extent(at, length, kind)
                at += length

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Fill the buffer; raises `OSError` and `ShortRead`."""
        if offset + len(buffer) > self.size:
            raise ShortRead(self.location, offset, len(buffer), max(0, self.size - offset))
        with self._link() as link:
            link.read_into(offset, buffer)

    def close(self) -> None:
        """Hang up."""
        with self._free:
            for link in self._idle:
                link.close()
            self._idle = []
            self._open = self._allowed = 0

    @contextlib.contextmanager
    def _link(self) -> Iterator[NbdLink]:
        """A connection of one's own for a while; a broken one is not given out again."""
        link = self._take()
        try:
            yield link
        except BaseException:
            link.close()
            with self._free:
                self._open -= 1
                self._free.notify()
            raise
        with self._free:
            self._idle.append(link)
            self._free.notify()

    def _take(self) -> NbdLink:
        with self._free:
            while not self._idle and self._open >= max(1, self._allowed):
                self._free.wait()
            if self._idle:
                return self._idle.pop()
            self._open += 1
        try:
            return NbdLink(self.location, self._silence)
        except OSError:
            with self._free:
                self._open -= 1
                if not self._open:
                    raise
                # It may be shared, but not by so many: those that are open are enough.
                self._allowed = self._open
            return self._take()
