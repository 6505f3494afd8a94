"""The digest file: what every block of one generation of one disk holds.

Layout, little-endian:

    0       header of 4096 bytes: magic, version, block size, disk size, generation, complete, run, disk id,
            zeroes, and BLAKE3 (16 bytes) of all that
    4096    states, 2 bits a block, the first block in the lowest bits: 0 unknown, 1 data, 2 zero
    then    (at the next whole 4096) BLAKE3 of each block, 16 bytes kept; zeroes where the state is not data

A block is 512 KiB; the last is digested as if zeroes followed it. The file is sparse: only data blocks have bytes
in its last part. A 16 TiB disk has 8 MiB of states; in memory a block's state is one byte.
While a copy runs, the file has the suffix `.partial` and the copy's `run` in its header; a complete one is the same
bytes for the same disk, so its own digest can stand in the manifest.
"""

from __future__ import annotations

import enum
import errno
import os
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from blake3 import blake3

from runner.blocks.errors import DigestsDamaged
from runner.blocks.extent import BLOCK, blocks_in
from runner.blocks.packing import packed, packed_size, unpacked

DIGEST_SIZE = 16
HEADER_SIZE = 4096
_MAGIC = b"HOTADDIG"
_VERSION = 1
_HEADER = struct.Struct("<8sIIQIB16sB255s")
_WINDOW = 65536  # blocks: 32 GiB of disk, 1 MiB of digests
_ZEROES = memoryview(bytes(4 << 20))
_LOOK = 65536  # blocks searched at a time


class State(enum.IntEnum):
    """What is known of a block."""

    UNKNOWN = 0
    DATA = 1
    ZERO = 2


UNKNOWN, DATA, ZERO = State.UNKNOWN, State.DATA, State.ZERO


@dataclass(frozen=True, slots=True)
class Window:
    """Consecutive blocks from `first` on: a state byte and 16 digest bytes for each."""

    first: int
    states: bytes
    digests: bytes


def digest_of(block: memoryview) -> bytes:
    """The digest of one whole block (the caller pads the last one with zeroes)."""
    return blake3(block).digest(length=DIGEST_SIZE)


class DigestFile:
    """One digest file, open. `create`, `open` or `open_partial` make it; writers serialise their calls."""

    def __init__(self, path: Path, fd: int, disk: str, generation: int, size: int, run: bytes, complete: bool) -> None:
        self.path = path
        self.disk = disk
        self.generation = generation
        self.size = size
        self.run = run
        self.is_complete = complete
        self.blocks = blocks_in(size)
        self._fd = fd
        self._digests_at = HEADER_SIZE + -(-packed_size(self.blocks) // HEADER_SIZE) * HEADER_SIZE
        self._states = bytearray(self.blocks)
        self._dirty = (self.blocks, 0)  # blocks whose states are not in the file yet: from, to

    @classmethod
    def create(cls, path: Path, *, disk: str, generation: int, size: int, run: bytes = bytes(16)) -> DigestFile:
        """Begin a file for a disk of `size` bytes, all blocks unknown; it stays `<path>.partial` until `publish`."""
        fd = os.open(_partial(path), os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        file = cls(path, fd, disk, generation, size, run, False)
        os.ftruncate(fd, file._digests_at + file.blocks * DIGEST_SIZE)
        file._write_header()
        os.fsync(fd)
        return file

    @classmethod
    def open(cls, path: Path) -> DigestFile:
        """Open a complete file for reading; raises `FileNotFoundError`, `DigestsDamaged`."""
        return cls._open(path, path, os.O_RDONLY)

    @classmethod
    def open_partial(cls, path: Path) -> DigestFile:
        """Open what a copy that ended early left (sealed or not); raises `FileNotFoundError`, `DigestsDamaged`."""
        return cls._open(path, _partial(path), os.O_RDWR)

    @property
    def known(self) -> int:
        """How many blocks are known."""
        # Counting takes a tenth of a second for 16 TiB, and a copy that begins knows nothing.
        nothing = self._known_from(0, self.blocks) == self.blocks
        return 0 if nothing else self.blocks - self._states.count(UNKNOWN)

    @property
    def known_zero(self) -> int:
        """How many blocks are known to be zero."""
        return 0 if self._states.find(ZERO) < 0 else self._states.count(ZERO)

    def get(self, block: int) -> bytes | State:
        """The digest of a data block, else `ZERO` or `UNKNOWN`."""
        state = State(self._states[block])
        return self.digests(block, 1) if state is DATA else state

    def set(self, block: int, digest: bytes | State) -> None:
        """Note one block: its digest, or `ZERO`."""
        if isinstance(digest, State):
            self.set_run(block, bytes([digest]), bytes(DIGEST_SIZE))
        else:
            self.set_run(block, bytes([DATA]), digest)

    def set_run(self, first: int, states: bytes, digests: bytes) -> None:
        """Note consecutive blocks: a state byte each, and 16 bytes each of which those of data blocks count."""
        if DATA in states:
            self._write(digests, self._digests_at + first * DIGEST_SIZE)
        self._note(first, states)

    def set_zero(self, first: int, count: int) -> None:
        """Note that `count` blocks are zero."""
        for at in range(first, first + count, _WINDOW):
            self._note(at, bytes([ZERO]) * min(_WINDOW, first + count - at))

    def state_run(self, first: int, count: int) -> bytes:
        """The state bytes of consecutive blocks."""
        return bytes(self._states[first : first + count])

    def digests(self, first: int, count: int) -> bytes:
        """The digest bytes of consecutive blocks, 16 each."""
        return self._read(count * DIGEST_SIZE, self._digests_at + first * DIGEST_SIZE)

    def unknown_runs(self, first: int, count: int) -> Iterator[tuple[int, int]]:
        """(first, count) of the runs of unknown blocks among these."""
        at, end = first, first + count
        while (start := self._states.find(UNKNOWN, at, end)) >= 0:
            at = self._known_from(start, end)
            yield start, at - start

    def runs_of(self, states: tuple[State, ...]) -> Iterator[tuple[int, int]]:
        """(first, count) of the runs of blocks that are in any of these states."""
        for run in re.finditer(b"[" + re.escape(bytes(states)) + b"]+", self._states):
            yield run.start(), run.end() - run.start()

    def sample(self, count: int) -> list[int]:
        """Known blocks to look at, spread evenly over the disk: up to `count` of data and as many of zeroes."""
        places = range(0, self.blocks, max(1, self.blocks // count))
        found = {self._states.find(state, at) for at in places for state in (DATA, ZERO)}
        return sorted(found - {-1})

    def windows(self, blocks: int = _WINDOW) -> Iterator[Window]:
        """The whole file in order, so many blocks at a time."""
        for first in range(0, self.blocks, blocks):
            states = self.state_run(first, blocks)
            yield Window(first, states, self.digests(first, len(states)) if DATA in states else bytes(16 * len(states)))

    def save(self) -> None:
        """Bring what was noted onto the medium: digests before the states that vouch for them."""
        first, last = self._dirty
        if first >= last:
            return
        os.fdatasync(self._fd)
        for at in range(first // 4 * 4, last, _WINDOW):  # four states share a byte
            self._write(packed(self._states[at : min(at + _WINDOW, self.blocks)]), HEADER_SIZE + at // 4)
        os.fdatasync(self._fd)
        self._dirty = (self.blocks, 0)

    def seal(self) -> str:
        """Save and mark complete, still under the partial name; returns `own_digest`."""
        self.save()
        if not self.is_complete:
            self.run, self.is_complete = bytes(16), True
            self._write_header()
            os.fsync(self._fd)
        return self.own_digest()

    def publish(self) -> None:
        """Take the final name in one step, once sealed; a second call does nothing."""
        if _partial(self.path).exists():
            os.replace(_partial(self.path), self.path)
            sync_directory(self.path.parent)

    def own_digest(self) -> str:
        """BLAKE3 of the whole file, 64 hexadecimal digits, as `b3sum` prints it."""
        whole = blake3(max_threads=blake3.AUTO)
        at, end = 0, os.fstat(self._fd).st_size
        while at < end:
            length = min(len(_ZEROES), end - at)
            # Half a gigabyte of holes for 16 TiB: reading them would fill the page cache with zeroes.
            hole = self._data_from(at, end) - at
            piece = _ZEROES[: min(hole, length)] if hole > 0 else self._read(length, at)
            whole.update(piece)
            at += len(piece)
        return whole.hexdigest()

    def close(self) -> None:
        """Close without saving; a second call does nothing."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    @classmethod
    def _open(cls, path: Path, actual: Path, flags: int) -> DigestFile:
        fd = os.open(actual, flags | os.O_CLOEXEC)
        try:
            header = os.pread(fd, HEADER_SIZE, 0)
            body, seal = header[:-DIGEST_SIZE], header[-DIGEST_SIZE:]
            if len(header) < HEADER_SIZE or not header.startswith(_MAGIC):
                raise DigestsDamaged(str(actual), "it has no header of a digest file")
            if blake3(body).digest(length=DIGEST_SIZE) != seal:
                raise DigestsDamaged(str(actual), "its header's checksum is wrong")
            _, version, block, size, generation, complete, run, length, disk = _HEADER.unpack_from(header)
            if (version, block) != (_VERSION, BLOCK):
                raise DigestsDamaged(str(actual), f"version {version}, blocks of {block}: not made by this release")
            if actual == path and not complete:
                raise DigestsDamaged(str(actual), "it was not completed")
            file = cls(path, fd, disk[:length].decode(), generation, size, run, bool(complete))
            if os.fstat(fd).st_size != file._digests_at + file.blocks * DIGEST_SIZE:
                raise DigestsDamaged(str(actual), "its length does not fit its header")
            file._states[:] = unpacked(file._read(packed_size(file.blocks), HEADER_SIZE), file.blocks)
            if 3 in file._states or (complete and UNKNOWN in file._states):
                raise DigestsDamaged(str(actual), "its states make no sense")
        except BaseException:
            os.close(fd)
            raise
        return file

    def _known_from(self, first: int, end: int) -> int:
        """The first known block from here on; two searches for one byte are 30 times as fast as a pattern."""
        for at in range(first, end, _LOOK):
            behind = min(at + _LOOK, end)
            found = [n for state in (DATA, ZERO) if (n := self._states.find(state, at, behind)) >= 0]
            if found:
                return min(found)
        return end

    def _data_from(self, offset: int, end: int) -> int:
        try:
            return os.lseek(self._fd, offset, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:  # nothing but a hole follows
                raise
            return end

    def _note(self, first: int, states: bytes) -> None:
        if first < 0 or first + len(states) > self.blocks:
            raise ValueError(f"blocks {first} to {first + len(states)} of {self.blocks}")
        self._states[first : first + len(states)] = states
        self._dirty = (min(self._dirty[0], first), max(self._dirty[1], first + len(states)))

    def _write_header(self) -> None:
        disk = self.disk.encode()
        fixed = (_MAGIC, _VERSION, BLOCK, self.size, self.generation, self.is_complete, self.run, len(disk), disk)
        body = _HEADER.pack(*fixed).ljust(HEADER_SIZE - DIGEST_SIZE, b"\0")
        self._write(body + blake3(body).digest(length=DIGEST_SIZE), 0)

    def _write(self, data: bytes, offset: int) -> None:
        while data:
            wrote = os.pwrite(self._fd, data, offset)
            data, offset = data[wrote:], offset + wrote

    def _read(self, length: int, offset: int) -> bytes:
        data = os.pread(self._fd, length, offset)
        if len(data) != length:
            raise DigestsDamaged(str(self.path), f"it ends within {length} bytes at {offset}")
        return data


def sync_directory(path: Path) -> None:
    """Bring a directory's entries onto the medium, after a rename in it."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _partial(path: Path) -> Path:
    return path.with_name(path.name + ".partial")
