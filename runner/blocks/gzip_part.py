"""A gzip'ed file read at any place: inflated once when it is opened, then from the nearest saved state on.

Deflate has no index, and the map of a VMDK stands at its end. So opening inflates all of it, keeps nothing of it, and
saves the inflater's state now and then; that pass also checks gzip's own checksums before anybody reads a byte.
"""

from __future__ import annotations

import zlib
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from threading import Lock

from runner.blocks.bytefile import ByteFile
from runner.blocks.errors import ImageDamaged, ImageRefused, ShortRead
from runner.blocks.extent import Extent
from runner.blocks.fingerprint import Fingerprint

_PIECE = 1024 * 1024  # bytes inflated at a time
_INPUT = 256 * 1024
_KEPT = 32  # pieces: the requests of all threads, which do not come in order
_MAX_STATES = 256  # of about 45 KiB (window and tables): 12 MiB
_FIRST_STEP = 16  # pieces between two states; doubled whenever there are too many
# Deflate makes up to 1032 of 1. Sparse disks come near to it, but those are not worth packing twice: VMware packs
# streams that are compressed already.
_MAX_RATIO = 250
_FREE = 64 * _PIECE
_GZIP = 31  # wbits of zlib: a gzip header and trailer, checked


@dataclass(slots=True)
class _State:
    """An inflater that has given `piece` whole pieces, and the byte of the file that it wants next."""

    piece: int
    place: int
    inflater: zlib._Decompress

    def copy(self) -> _State:
        return _State(self.piece, self.place, self.inflater.copy())


class GzipPart:
    """The inflated bytes of a gzip'ed file, as a file. It owns the file; raises `ImageRefused` if it is none."""

    def __init__(self, file: ByteFile) -> None:
        self.path = file.path
        self._file = file
        self._lock = Lock()
        self._kept: OrderedDict[int, bytes] = OrderedDict()
        self._states: list[_State] = []
        try:
            self.size = self._index()
        except BaseException:
            file.close()
            raise
        self._live = self._states[0].copy()

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """One thread at a time: an inflater goes forward only. Raises `OSError`, `ShortRead`."""
        if offset < 0 or offset + len(buffer) > self.size:
            raise ShortRead(self.path, offset, len(buffer), max(0, self.size - offset))
        done = 0
        while done < len(buffer):
            number, inside = divmod(offset + done, _PIECE)
            piece = self._piece(number)
            length = min(len(piece) - inside, len(buffer) - done)
            if length <= 0:
                raise ImageDamaged(self.path, offset + done, "it inflates to less than when it was opened")
            buffer[done : done + length] = memoryview(piece)[inside : inside + length]
            done += length

    def fingerprint(self) -> Fingerprint:
        """The packed file's."""
        return self._file.fingerprint()

    def extents(self, start: int, length: int) -> Iterator[Extent]:
        """All data: what is zero is known when it has been inflated."""
        yield Extent(0, length, "data")

    def beside(self, name: str) -> ByteFile:
        """As the packed file."""
        return self._file.beside(name)

    def close(self) -> None:
        """Close the packed file."""
        self._file.close()

    def _index(self) -> int:
        """Inflate all, save states; gives the bytes that it makes."""
        state, step, size = _State(0, 0, zlib.decompressobj(_GZIP)), _FIRST_STEP, 0
        while True:
            if state.piece % step == 0:
                self._states.append(state.copy())
                if len(self._states) > _MAX_STATES:
                    step *= 2
                    self._states = [saved for saved in self._states if saved.piece % step == 0]
            piece = self._advance(state)
            size += len(piece)
            if size > _FREE and size > state.place * _MAX_RATIO:
                raise ImageRefused(
                    self.path,
                    "compression",
                    f"{state.place} bytes inflate to more than {_MAX_RATIO} times as many",
                    "Unpack it with gunzip, and name what comes out.",
                )
            if len(piece) < _PIECE:
                return size

    def _piece(self, number: int) -> bytes:
        with self._lock:
            kept = self._kept.get(number)
            if kept is not None:
                self._kept.move_to_end(number)
                return kept
            saved = self._states[bisect_right(self._states, number, key=lambda state: state.piece) - 1]
            if not saved.piece <= self._live.piece <= number:
                self._live = saved.copy()
            piece = b""
            while self._live.piece <= number:
                at = self._live.piece
                piece = self._advance(self._live)
                self._kept[at] = piece
                if len(self._kept) > _KEPT:
                    self._kept.popitem(last=False)
            return piece

    def _advance(self, state: _State) -> bytes:
        """The next piece; a shorter one where the file ends. Raises `ImageRefused`."""
        pieces: list[bytes] = []
        wanted = _PIECE
        while wanted:
            inflater = state.inflater
            if inflater.eof:  # several streams behind one another are one file (RFC 1952, 2.2)
                if state.place >= self._file.size:
                    break
                inflater = state.inflater = zlib.decompressobj(_GZIP)
            data = self._input(state.place)
            if not data:
                raise self._refusal("it was cut")
            try:
                piece = inflater.decompress(data, wanted)
            except zlib.error as error:
                raise self._refusal(str(error)) from error
            state.place += len(data) - len(inflater.unconsumed_tail) - len(inflater.unused_data)
            pieces.append(piece)
            wanted -= len(piece)
        state.piece += 1
        return b"".join(pieces)

    def _input(self, place: int) -> bytes:
        data = bytearray(min(_INPUT, self._file.size - place))
        self._file.read_into(place, memoryview(data))
        return bytes(data)

    def _refusal(self, reason: str) -> ImageRefused:
        return ImageRefused(self.path, "gzip", f"it cannot be inflated: {reason}")
