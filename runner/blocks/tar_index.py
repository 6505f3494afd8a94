"""The files in a tar archive, found by walking its headers: nothing is unpacked, and nothing but headers is read.

Rules after POSIX.1-2017 (pax, "ustar Interchange Format") and the GNU tar manual ("Basic Tar Format"), and our own for
archives that nobody vouches for: plain names, regular files, each name once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from runner.blocks.bytefile import ByteFile
from runner.blocks.errors import ImageRefused
from runner.blocks.vmdk_descriptor import check_name

_BLOCK = 512
_MAX_FILES = 1024  # a machine has 60 disks and a handful of texts
_MAX_EXTENSION = 64 * 1024  # bytes of a header's extension; a name has 255
_KINDS = {
    b"1": "a hard link",
    b"2": "a symbolic link",
    b"3": "a character device",
    b"4": "a block device",
    b"5": "a directory",
    b"6": "a FIFO",
    b"S": "a sparse file (GNU)",
    b"K": "a long link",
}
_PAX = re.compile(rb"(\d{1,6}) ([^=\0]{1,200})=")


@dataclass(frozen=True, slots=True)
class TarFile:
    """One file: `size` bytes from byte `start` of the archive on."""

    name: str
    start: int
    size: int


@dataclass(slots=True)
class _Extension:
    """What headers before a file say of it."""

    name: str = ""
    size: int = -1


def read_tar_index(archive: ByteFile) -> dict[str, TarFile]:
    """All files by name, in the archive's order; raises `ImageRefused` with the field and the rule."""
    return _Walk(archive).run()


class _Walk:
    def __init__(self, archive: ByteFile) -> None:
        self._archive = archive
        self._files: dict[str, TarFile] = {}

    def run(self) -> dict[str, TarFile]:
        at, extension, headers = 0, _Extension(), 0
        while True:
            if at + _BLOCK > self._archive.size:
                raise self._refusal("tar", "the archive ends before its end mark: it was cut")
            header = self._read(at, _BLOCK)
            if header == bytes(_BLOCK):
                return self._files
            headers += 1
            if headers > 3 * _MAX_FILES:
                raise self._refusal("tar", f"it has more than {_MAX_FILES} files")
            _check_sum(header, self._archive.path, at)
            kind, size = header[156:157], self._number(header[124:136], "size")
            at += _BLOCK
            if kind in (b"x", b"g", b"L"):
                self._check_room("tar header's extension", at, min(size, _MAX_EXTENSION + 1))
                if size > _MAX_EXTENSION:
                    raise self._refusal("tar header's extension", f"it has {size} bytes")
                self._extend(extension, kind, self._read(at, size))
                at += -(-size // _BLOCK) * _BLOCK
                continue
            if extension.size >= 0:
                size = extension.size
            self._add(extension.name or self._name(header), kind, at, size)
            at += -(-size // _BLOCK) * _BLOCK
            extension = _Extension()

    def _add(self, name: str, kind: bytes, start: int, size: int) -> None:
        name = name.removeprefix("./")
        if kind not in (b"0", b"\0", b"7"):
            what = _KINDS.get(kind, f"of the type {kind!r}")
            raise self._refusal("tar", f"{name[:80]!r} is {what}; only regular files belong in a package")
        check_name(name, self._archive.path, "tar")
        if name in self._files:
            raise self._refusal("tar", f"two files have the name {name!r}")
        if len(self._files) == _MAX_FILES:
            raise self._refusal("tar", f"it has more than {_MAX_FILES} files")
        self._check_room(f"the size of {name}", start, size)
        self._files[name] = TarFile(name, start, size)

    def _extend(self, extension: _Extension, kind: bytes, data: bytes) -> None:
        if kind == b"L":
            extension.name = data.partition(b"\0")[0].decode("utf-8", "surrogateescape")
            return
        at = 0
        while at < len(data) and data[at:].strip(b"\0"):
            match = _PAX.match(data, at)
            if match is None:
                raise self._refusal("tar header's extension", "it is no list of pax records")
            end, key = at + int(match[1]), match[2]
            if end > len(data) or end <= match.end() or data[end - 1 : end] != b"\n":
                raise self._refusal("tar header's extension", "a pax record's length is wrong")
            value, at = data[match.end() : end - 1], end
            if key.startswith(b"GNU.sparse") or key == b"SCHILY.realsize":
                raise self._refusal("tar", "it holds a sparse file (pax); only regular files belong in a package")
            if key in (b"path", b"size") and kind == b"g":
                raise self._refusal("tar", "a global header names files: no package needs that")
            if key == b"path":
                extension.name = value.decode("utf-8", "surrogateescape")
            elif key == b"size":
                if not re.fullmatch(rb"\d{1,19}", value):
                    raise self._refusal("tar header's extension", f"the size {value[:40]!r} is no number")
                extension.size = int(value)

    def _name(self, header: bytes) -> str:
        name = header[:100].partition(b"\0")[0]
        prefix = header[345:500].partition(b"\0")[0] if header[257:263] == b"ustar\0" else b""
        return (prefix + b"/" + name if prefix else name).decode("utf-8", "surrogateescape")

    def _number(self, field: bytes, name: str) -> int:
        if field[0] == 0x80:  # GNU: base 256, for what octal digits cannot hold
            return int.from_bytes(field[1:], "big")
        digits = field.strip(b" \0")
        if not re.fullmatch(rb"[0-7]*", digits):
            raise self._refusal(f"tar header's {name}", f"{field!r} is no number")
        return int(digits or b"0", 8)

    def _check_room(self, field: str, start: int, size: int) -> None:
        if start + size > self._archive.size:
            raise self._refusal(field, f"{size} bytes at {start} do not fit an archive of {self._archive.size} bytes")

    def _read(self, offset: int, length: int) -> bytes:
        data = bytearray(length)
        self._archive.read_into(offset, memoryview(data))
        return bytes(data)

    def _refusal(self, field: str, rule: str) -> ImageRefused:
        return ImageRefused(self._archive.path, field, rule, "Export the machine anew, as OVA or as OVF.")


def _check_sum(header: bytes, path: str, at: int) -> None:
    """The sum of all bytes, with the sum's own taken as spaces; what is no tar fails here first."""
    stated = header[148:156].strip(b" \0")
    actual = sum(header) - sum(header[148:156]) + 8 * 0x20
    if not re.fullmatch(rb"[0-7]{1,7}", stated) or int(stated, 8) != actual:
        raise ImageRefused(
            path, "tar header", f"the one at byte {at} is none, or damaged", "State the disk's true format."
        )
