"""ZIP archives that no driver package is, and one that is."""

import io
import random
import stat
import struct
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from runner.guest.windows.archive import Archive
from runner.guest.windows.bundle_refusals import ArchiveHostile
from tests.runner.guest.windows.packages import nvme_files, zipped


def listed(*infos: tuple[zipfile.ZipInfo, bytes]) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        for info, data in infos:
            archive.writestr(info, data)
    return written.getvalue()


def link() -> bytes:
    info = zipfile.ZipInfo("evil.sys")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return listed((info, b"/etc/shadow"))


def twice() -> bytes:
    return listed((zipfile.ZipInfo("a.sys"), b"1"), (zipfile.ZipInfo("A.SYS"), b"2"))


def patched(name: bytes, at: int, value: bytes) -> Callable[[], bytes]:
    """One stored file, with a field of its record in the central directory overwritten."""

    def make() -> bytes:
        data = bytearray(listed((zipfile.ZipInfo(name.decode()), b"0123456789")))
        central = data.index(b"PK\x01\x02")
        data[central + at : central + at + len(value)] = value
        return bytes(data)

    return make


def large_together() -> bytes:
    """Three files that say they have 192 MiB each: none too large, all of them together too large."""
    data = bytearray(zipped({"a": b"1", "b": b"2", "c": b"3"}))
    at = 0
    while (at := data.find(b"PK\x01\x02", at + 1)) > 0:
        data[at + _UNPACKED : at + _UNPACKED + 4] = struct.pack("<I", 192 << 20)
    return bytes(data)


# APPNOTE.TXT of the ZIP format: offsets in the central directory's header.
_FLAGS, _METHOD, _CRC, _PACKED, _UNPACKED = 8, 10, 16, 20, 24
HOSTILE = {
    "a path that leads out": lambda: zipped({"../../etc/passwd": b"x"}),
    "a path that leads out by backslashes": lambda: zipped({"..\\..\\evil.sys": b"x"}),
    "an absolute path": lambda: zipped({"/etc/passwd": b"x"}),
    "a drive": lambda: zipped({"C:/evil.sys": b"x"}),
    "a name with a newline": lambda: zipped({"a\nb.sys": b"x"}),
    "a name without end": lambda: zipped({"x" * 300: b"x"}),
    "a link": link,
    "one name in two cases": twice,
    "more files than any package": lambda: zipped({f"{n}.sys": b"" for n in range(1025)}),
    "a file that says it is huge": patched(b"a", _UNPACKED, struct.pack("<I", 0x7FFFFFFF)),
    "files that together say they are huge": large_together,
    "a file without a name": lambda: listed((zipfile.ZipInfo(""), b"x")),
    "encryption": patched(b"a", _FLAGS, struct.pack("<H", 1)),
    "a method that no package has": patched(b"a", _METHOD, struct.pack("<H", 14)),
    "no archive": lambda: b"<html>not found</html>",
    "nothing": lambda: b"",
}


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_archive_is_refused_when_it_is_opened(make: Callable[[], bytes], tmp_path: Path) -> None:
    path = tmp_path / "package.zip"
    path.write_bytes(make())
    with pytest.raises(ArchiveHostile) as caught:
        Archive(path)
    assert caught.value.file == "package.zip"


LYING = {
    "a wrong checksum": patched(b"a", _CRC, b"\0\0\0\1"),
    "more bytes than stated": patched(b"a", _UNPACKED, struct.pack("<I", 4)),
    "fewer bytes than stated": patched(b"a", _UNPACKED, struct.pack("<I", 40)),
    "packed bytes past the end": patched(b"a", _PACKED, struct.pack("<I", 4000)),
}


@pytest.mark.parametrize("make", LYING.values(), ids=LYING)
def test_a_file_that_is_not_as_stated_is_refused_when_it_is_read(make: Callable[[], bytes], tmp_path: Path) -> None:
    path = tmp_path / "package.zip"
    path.write_bytes(make())
    with pytest.raises(ArchiveHostile), Archive(path) as archive:
        archive.read("a")


def test_an_honest_archive_is_read(tmp_path: Path) -> None:
    path = tmp_path / "package.zip"
    path.write_bytes(zipped({"drivers\\x64\\ena.sys": b"sys", "drivers/": b"", "readme.txt": b""}))
    with Archive(path) as archive:
        assert archive.members == ("drivers/x64/ena.sys", "readme.txt")
        assert archive.read("drivers/x64/ena.sys") == b"sys"
        assert (archive.size("drivers/x64/ena.sys"), archive.read("readme.txt")) == (3, b"")


@pytest.mark.thorough
def test_damaged_archives_are_read_or_refused_but_never_crash(tmp_path: Path) -> None:
    chance = random.Random(3)
    whole, path = zipped(nvme_files()), tmp_path / "package.zip"
    read = 0
    for _ in range(800):
        data = bytearray(whole)
        for _ in range(chance.randrange(1, 6)):
            # Half of the damage hits the directory at the end, where names, sizes and offsets are.
            at = chance.randrange(len(data) - 400, len(data)) if chance.random() < 0.5 else chance.randrange(len(data))
            data[at] = chance.choice([0, 0xFF, chance.randrange(256)])
        if chance.random() < 0.2:
            del data[chance.randrange(len(data)) :]
        path.write_bytes(data)
        with suppress(ArchiveHostile), Archive(path) as archive:
            for member in archive.members:
                assert len(archive.read(member)) == archive.size(member)
                read += 1
    assert read > 150
