"""Whether all that hangs on a hive's root key is whole, before hivex changes anything: it aborts on cells that are not.

Source: the regf format specification (M. Suhanov), "Cell" to "Big data". Pure: bytes in, nothing or a refusal out.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from runner.guest.windows.refusals import HiveBroken
from runner.guest.windows.regf import BASE, base_block

_NOTHING = 0xFFFFFFFF
_NODE = struct.Struct("<2sHQIIIIIIIIII")
_IN_PLACE = 0x80000000  # a value of 4 bytes or less lies in its own record
_BIG = 16344  # bytes of data beyond which a value is cut into segments
_DEEPEST = 512  # Windows' own limit of nested keys


class _Cells:
    """The cells of a hive by their places in its bins. Raises `HiveBroken` where one is not what it is said to be."""

    def __init__(self, hive: bytes, name: str) -> None:
        self._hive = memoryview(hive)  # no copies: many records may share one cell of megabytes
        self._name = name
        self._sizes = dict(self._walk(base_block(hive).bins))
        self._taken: set[int] = set()

    def broken(self, at: int, fault: str) -> HiveBroken:
        return HiveBroken(self._name, f"the cell at byte {BASE + at} {fault}")

    def _walk(self, bins: int) -> Iterator[tuple[int, int]]:
        """Every allocated cell with its size; the bins were checked before."""
        start = 0
        while start < bins:
            (size,) = struct.unpack_from("<I", self._hive, BASE + start + 8)
            at, end = start + 32, start + size
            while at < end:
                (length,) = struct.unpack_from("<i", self._hive, BASE + at)
                if length == 0 or length % 8 or at + abs(length) > end:
                    raise self.broken(at, "does not fit its bin")
                if length < 0:
                    yield at, -length
                at += abs(length)
            start = end

    def take(self, at: int, least: int) -> memoryview:
        """The content of a cell that one record alone points to, of at least so many bytes."""
        if at in self._taken:
            raise self.broken(at, "is used twice")
        self._taken.add(at)
        return self.share(at, least)

    def share(self, at: int, least: int) -> memoryview:
        """The content of a cell that several records may point to."""
        size = self._sizes.get(at)
        if size is None:
            raise self.broken(at, "is named by a key, but it is not in use")
        if size - 4 < least:
            raise self.broken(at, f"has {size - 4} bytes where {least} are said to be")
        return self._hive[BASE + at + 4 : BASE + at + size]


def check(hive: bytes, name: str) -> None:
    """See that every key and value is made of cells in use, each belonging to one record. About 2 s for 100,000 keys.

    Bins and base block must have been checked (`replay.ready` does). Raises `HiveBroken`.
    """
    cells = _Cells(hive, name)
    root = base_block(hive).root
    stack: list[tuple[int, int | None, int]] = [(root, None, 0)]
    secured = {_NOTHING}
    while stack:
        at, parent, depth = stack.pop()
        node = cells.take(at, 76)
        mark, _, _, _, above, count, _, children, _, values, listed, security, classname = _NODE.unpack_from(node)
        length, class_length = struct.unpack_from("<HH", node, 72)
        if mark != b"nk" or depth > _DEEPEST or (parent is not None and above != parent):
            raise cells.broken(at, "is no key where one must be")
        if 76 + length > len(node):
            raise cells.broken(at, "is a key whose name goes beyond it")
        if security not in secured:
            secured.add(security)
            _security(cells, security)
        if classname != _NOTHING:
            cells.take(classname, class_length)
        if values:
            _values(cells, listed, values)
        found = list(_children(cells, children, 1)) if count else []
        if len(found) != count:
            raise cells.broken(at, f"is a key that counts {count} subkeys and lists {len(found)}")
        stack += [(child, at, depth + 1) for child in found]


def _security(cells: _Cells, at: int) -> None:
    _, _, after, before = struct.unpack_from("<2sHII", cells.share(at, 20))
    for place in (at, after, before):  # the neighbours in the list of all of them, which hivex joins when one goes
        if bytes(cells.share(place, 20)[:2]) != b"sk":
            raise cells.broken(place, "is no security record")


def _children(cells: _Cells, at: int, levels: int) -> Iterator[int]:
    content = cells.take(at, 4)
    mark, count = struct.unpack_from("<2sH", content)
    width = {b"ri": 4, b"li": 4, b"lf": 8, b"lh": 8}.get(mark)
    if width is None or (mark == b"ri" and not levels) or 4 + count * width > len(content):
        raise cells.broken(at, "is no list of subkeys")
    for index in range(count):
        (child,) = struct.unpack_from("<I", content, 4 + index * width)
        if mark == b"ri":
            yield from _children(cells, child, levels - 1)
        else:
            yield child


def _values(cells: _Cells, listed: int, count: int) -> None:
    content = cells.take(listed, count * 4)
    for (at,) in struct.iter_unpack("<I", content[: count * 4]):
        record = cells.take(at, 20)
        mark, length, size, data = struct.unpack_from("<2sHII", record)
        if mark != b"vk" or 20 + length > len(record):
            raise cells.broken(at, "is no value where one must be")
        if size & _IN_PLACE:
            continue
        if size > _BIG and bytes(cells.share(data, 8)[:2]) == b"db":
            _segments(cells, data, size)
        else:
            cells.take(data, size)


def _segments(cells: _Cells, at: int, size: int) -> None:
    _, count, listed = struct.unpack_from("<2sHI", cells.take(at, 8))
    if count * _BIG < size:
        raise cells.broken(at, f"is a value of {size} bytes in {count} segments")
    segments = cells.take(listed, count * 4)
    for (segment,) in struct.iter_unpack("<I", segments[: count * 4]):
        cells.take(segment, min(size, _BIG))
        size -= _BIG
