"""An S3 object as a file that the block engine reads: ranged reads, several in flight. All sizes in bytes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Lock

from runner.aws.account import Account
from runner.aws.objects import ObjectChanged, ObjectMissing, PinnedObject
from runner.blocks.bytefile import ByteFile
from runner.blocks.errors import ImageRefused, ShortRead, SourceChanged, SourceMissing
from runner.blocks.extent import Extent
from runner.blocks.fingerprint import Fingerprint
from schemas.location import S3Object

_PART = 1024 * 1024  # one ranged GET; S3 asks for 8 to 16 MiB at once, which eight of them are together
_IN_FLIGHT = 8  # botocore keeps ten connections
_KEPT = 32  # parts that small reads (headers, tables) came from: a GET takes 20 ms however little it brings
_SMALL = _PART // 4


class S3File:
    """One version of an object, pinned from opening to the end. Raises `SourceMissing`, and errors of AWS."""

    def __init__(self, account: Account, place: S3Object) -> None:
        self.path = f"s3://{place.bucket}/{place.key}"
        try:
            self._object = PinnedObject(account, place.bucket, place.key)
        except ObjectMissing as error:
            raise SourceMissing(self.path) from error
        self.size = self._object.state.size
        self._readers = ThreadPoolExecutor(_IN_FLIGHT, thread_name_prefix="s3")
        self._parts: OrderedDict[int, bytes] = OrderedDict()
        self._lock = Lock()

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Fill the buffer; raises `ShortRead`, `SourceChanged`, `ObjectBroken`."""
        if offset + len(buffer) > self.size:
            raise ShortRead(self.path, offset, len(buffer), max(0, self.size - offset))
        if len(buffer) <= _SMALL:
            self._read_small(offset, buffer)
        elif len(buffer) <= _PART:
            self._read(offset, buffer)
        else:
            pieces = range(0, len(buffer), _PART)
            reads = [self._readers.submit(self._read, offset + at, buffer[at : at + _PART]) for at in pieces]
            errors = [error for read in reads if (error := read.exception()) is not None]
            if errors:
                raise errors[0]

    def fingerprint(self) -> Fingerprint:
        """What stands under the key now: another version is a change, though the pinned one could still be read."""
        try:
            now = self._object.look()
        except ObjectMissing as error:
            raise SourceChanged(self.path, "it was deleted") from error
        return Fingerprint(now.size, now.modified_ns, 0, 0, f"{now.version_id} {now.etag}".strip())

    def extents(self, start: int, length: int) -> Iterator[Extent]:
        """All data: S3 knows no holes."""
        yield Extent(0, length, "data")

    def beside(self, name: str) -> ByteFile:
        """Refused: a disk in several objects could change one by one."""
        hint = "Export the disk as streamOptimized or monolithicSparse: one object."
        raise ImageRefused(self.path, "extent file", f"{name}: a disk in S3 is one object", hint)

    def close(self) -> None:
        """Let go of it; a second call does nothing."""
        self._readers.shutdown()

    def _read(self, offset: int, buffer: memoryview) -> None:
        try:
            self._object.read_into(offset, buffer)
        except ObjectChanged as error:
            raise SourceChanged(self.path, "another object was put in its place") from error

    def _read_small(self, offset: int, buffer: memoryview) -> None:
        done = 0
        while done < len(buffer):
            number, inside = divmod(offset + done, _PART)
            part = self._part(number)[inside : inside + len(buffer) - done]
            buffer[done : done + len(part)] = part
            done += len(part)

    def _part(self, number: int) -> bytes:
        """A whole part, which several threads may read at once rather than wait for one another."""
        with self._lock:
            if number in self._parts:
                self._parts.move_to_end(number)
                return self._parts[number]
        content = bytearray(min(_PART, self.size - number * _PART))
        self._read(number * _PART, memoryview(content))
        with self._lock:
            self._parts[number] = bytes(content)
            while len(self._parts) > _KEPT:
                self._parts.popitem(last=False)
        return bytes(content)
