"""A ZIP archive of a bundle, read with bounds: it was downloaded, so it may be anything."""

from __future__ import annotations

import stat
import struct
import zipfile
import zlib
from pathlib import Path

from runner.guest.windows.bundle_refusals import ArchiveHostile

# Amazon's packages have some dozen files, and the largest of them some 60 MiB in all.
_MEMBERS_MOST = 1024
_MEMBER_MOST = 256 * 1024 * 1024
_TOTAL_MOST = 512 * 1024 * 1024
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 0x1
# What zipfile raises for damaged archives; OSError is a seek to before the start.
_BROKEN = (zipfile.BadZipFile, zlib.error, struct.error, OSError, EOFError, ValueError, OverflowError, RuntimeError)


class Archive:
    """The files of a ZIP archive by their paths, with slashes, as they are written there. A context manager."""

    def __init__(self, path: Path) -> None:
        """Open and check every name and size. Raises `ArchiveHostile`."""
        self.path = path
        try:
            self._zip = zipfile.ZipFile(path)
        except _BROKEN as error:
            raise ArchiveHostile(path.name, f"it cannot be read as a ZIP archive ({error})") from error
        try:
            self._members = self._checked()
        except ArchiveHostile:
            self._zip.close()
            raise

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    @property
    def members(self) -> tuple[str, ...]:
        """The paths of all files, sorted."""
        return tuple(sorted(self._members))

    def size(self, member: str) -> int:
        """A file's size in bytes, as the archive states it."""
        return self._members[member].file_size

    def read(self, member: str) -> bytes:
        """A file's bytes. Raises `ArchiveHostile` when they are not of the stated size and checksum."""
        stated = self._members[member].file_size
        try:
            with self._zip.open(self._members[member]) as stream:
                data = stream.read(stated + 1)
        except _BROKEN as error:
            raise ArchiveHostile(self.path.name, f"{member[:120]} is damaged ({error})") from error
        if len(data) != stated:
            raise ArchiveHostile(self.path.name, f"{member[:120]} does not have the size it states")
        return data

    def _checked(self) -> dict[str, zipfile.ZipInfo]:
        listed = self._zip.infolist()
        if len(listed) > _MEMBERS_MOST:
            self._refuse(f"it holds {len(listed)} files")
        if sum(info.file_size for info in listed) > _TOTAL_MOST:
            self._refuse(f"its files have more than {_TOTAL_MOST} bytes")
        found: dict[str, zipfile.ZipInfo] = {}
        seen: set[str] = set()  # Windows knows no two names that differ in case alone
        for info in listed:
            name = info.filename.replace("\\", "/")  # as archives made on Windows may have it
            if not name.endswith("/"):  # ZipInfo.is_dir fails for an empty name
                self._check(name, info)
                if name.lower() in seen:
                    self._refuse(f"{name[:120]} is in it twice")
                seen.add(name.lower())
                found[name] = info
        return found

    def _check(self, name: str, info: zipfile.ZipInfo) -> None:
        parts = name.split("/")
        if ".." in parts or "" in parts or ":" in name or not name.isprintable() or len(name) > 240:
            self._refuse(f"it holds the path {name[:120]!r}")
        mode = info.external_attr >> 16
        if mode and stat.S_IFMT(mode) not in (0, stat.S_IFREG):
            self._refuse(f"{name} is a link or a device")
        if info.flag_bits & _ENCRYPTED or info.compress_type not in _METHODS:
            self._refuse(f"{name} is encrypted, or compressed in a way that no driver package is")
        if info.file_size > _MEMBER_MOST:
            self._refuse(f"{name} has {info.file_size} bytes")

    def _refuse(self, fault: str) -> None:
        raise ArchiveHostile(self.path.name, fault)
