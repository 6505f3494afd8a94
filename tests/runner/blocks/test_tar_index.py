"""Tar archives: what Python's and GNU's tar write is found, whatever leads elsewhere is refused by name."""

from __future__ import annotations

import struct
import tarfile

import pytest

from runner.blocks.bytefile import open_local
from runner.blocks.errors import ImageRefused
from runner.blocks.tar_index import TarFile, read_tar_index
from tests.runner.blocks.package_made import archive

LONG = "a" * 150 + ".vmdk"


def index(path) -> dict[str, TarFile]:
    file = open_local(str(path))
    try:
        return read_tar_index(file)
    finally:
        file.close()


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_files_are_found_where_they_are(tmp_path, format):
    contents = {"vm.ovf": b"x" * 700, "empty": b"", "./disk ä.vmdk": bytes(range(256)) * 9, "last": b"y" * 512}
    if format != tarfile.USTAR_FORMAT:
        contents[LONG] = b"long"
    archive(tmp_path / "a.ova", contents.items(), format)
    found = index(tmp_path / "a.ova")
    assert [*found] == [name.removeprefix("./") for name in contents]
    raw = (tmp_path / "a.ova").read_bytes()
    for file, content in zip(found.values(), contents.values(), strict=True):
        assert raw[file.start : file.start + file.size] == content


def entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


@pytest.mark.parametrize(
    ("entries", "word"),
    [
        ([("/etc/passwd", b"")], "plain file name"),
        ([("../up", b"")], "plain file name"),
        ([("..", b"")], "plain file name"),
        ([("a/b", b"")], "plain file name"),
        ([("a\\b", b"")], "plain file name"),
        ([("a\nb", b"")], "plain file name"),
        ([("", b"")], "plain file name"),
        ([("a\udcff", b"")], "plain file name"),
        ([("./../a", b"")], "plain file name"),
        ([("twice", b"1"), ("twice", b"2")], "two files"),
        ([("twice", b"1"), ("./twice", b"2")], "two files"),
        ([entry("disk.vmdk", tarfile.SYMTYPE, "/etc/passwd")], "symbolic link"),
        ([entry("disk.vmdk", tarfile.LNKTYPE, "vm.ovf")], "hard link"),
        ([entry("disk.vmdk", tarfile.CHRTYPE)], "character device"),
        ([entry("disk.vmdk", tarfile.BLKTYPE)], "block device"),
        ([entry("disk.vmdk", tarfile.FIFOTYPE)], "FIFO"),
        ([entry("disks", tarfile.DIRTYPE)], "directory"),
        ([entry("disk.vmdk", tarfile.GNUTYPE_SPARSE)], "sparse"),
        ([entry("disk.vmdk", b"M")], "type b'M'"),
    ],
)
@pytest.mark.parametrize("format", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT], ids=["gnu", "pax"])
def test_an_entry_that_is_no_plain_file_is_refused(tmp_path, entries, word, format):
    archive(tmp_path / "a.ova", [("vm.ovf", b"text"), *entries], format)
    with pytest.raises(ImageRefused, match=word) as caught:
        index(tmp_path / "a.ova")
    assert caught.value.field.startswith("tar") and caught.value.exit_code == 3


def with_sum(header: bytearray) -> bytes:
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)


def header_of(name: str = "disk.vmdk", size: bytes = b"00000000000\0", kind: bytes = b"0") -> bytes:
    header = bytearray(512)
    header[: len(name)] = name.encode()
    header[124:136], header[156:157] = size, kind
    header[257:265] = b"ustar\x0000"
    return with_sum(header)


def pax(*records: bytes, kind: bytes = b"x") -> bytes:
    body = b"".join(records)
    return header_of("pax", b"%011o\0" % len(body), kind) + body + bytes(-len(body) % 512)


END = bytes(1024)


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        (header_of(size=b"77777777777\0") + END, "the size of"),
        (header_of(size=b"\x80" + (2**80).to_bytes(11, "big")) + END, "the size of"),
        (header_of(size=b"\x80" + (2000).to_bytes(11, "big")) + END, "the size of"),
        (header_of(size=b"\xff" * 12) + END, "tar header's size"),
        (header_of(size=b"-0000000010\0") + END, "tar header's size"),
        (header_of(size=b"0000000009\0\0") + END, "tar header's size"),
        (bytes(100) + b"x" + bytes(2000), "tar header"),
        (header_of()[:-1] + b"x" + END, "tar header"),
        (header_of(), "tar"),
        (header_of() + bytes(511), "tar"),
        (b"", "tar"),
        (pax(b"20 size=99999999999\n") + header_of() + END, "the size of"),
        (pax(b"11 size=-10\n") + header_of() + END, "tar header's extension"),
        (pax(b"11 size=0x1\n") + header_of() + END, "tar header's extension"),
        (pax(b"99 path=abc\n") + header_of() + END, "tar header's extension"),
        (pax(b"5 path=abc\n") + header_of() + END, "tar header's extension"),
        (pax(b"path=abc\n") + header_of() + END, "tar header's extension"),
        (pax(b"999999999999 path=abc\n") + header_of() + END, "tar header's extension"),
        (pax(b"14 path=../ab\n") + header_of() + END, "tar"),
        (pax(b"12 path=abc\n", kind=b"g") + header_of() + END, "tar"),
        (pax(b"22 GNU.sparse.major=1\n") + header_of() + END, "tar"),
        (pax(b"22 GNU.sparse.name=abc") + header_of() + END, "tar header's extension"),
        (header_of("pax", b"00010000000\0", b"x") + bytes(1 << 22), "tar header's extension"),
        (header_of("pax", b"00000001000\0", b"L") + b"/etc/passwd".ljust(512, b"\0") + header_of() + END, "tar"),
        (header_of() * 1025 + END, "tar"),
        (pax(b"9 a=bcde\n") * 3100 + END, "tar"),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{len(value)}",
)
def test_a_header_that_lies_is_refused(tmp_path, raw, field):
    (tmp_path / "a.ova").write_bytes(raw)
    with pytest.raises(ImageRefused) as caught:
        index(tmp_path / "a.ova")
    assert caught.value.field.startswith(field), caught.value


def test_sizes_over_8_gib_are_read_as_gnu_and_pax_write_them(tmp_path):
    size = 9 << 30
    gnu = header_of(size=b"\x80" + struct.pack(">3xQ", size))
    record = b"19 size=%d\n" % size
    for name, start in (("gnu", gnu), ("pax", pax(record) + header_of())):
        with open(tmp_path / name, "wb") as file:
            file.write(start)
            file.truncate(len(start) + size + 1024)
        assert index(tmp_path / name) == {"disk.vmdk": TarFile("disk.vmdk", len(start), size)}


def test_an_archive_that_was_cut_is_refused(tmp_path):
    archive(tmp_path / "a.ova", [("vm.ovf", b"x" * 700), ("disk.vmdk", b"y" * 30_000)])
    whole = (tmp_path / "a.ova").read_bytes()
    data_end = 512 + 1024 + 512 + 30_208
    for end in range(0, data_end + 512, 512):
        (tmp_path / "cut.ova").write_bytes(whole[:end])
        with pytest.raises(ImageRefused):
            index(tmp_path / "cut.ova")
    (tmp_path / "cut.ova").write_bytes(whole[: data_end + 512])  # what the writer padded is no loss
    assert len(index(tmp_path / "cut.ova")) == 2
