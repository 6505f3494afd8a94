from __future__ import annotations

import os

import pytest

from runner.blocks.errors import FormatUnknown, ShortRead, SourceEmpty, SourceMissing, SourceUnusable
from runner.blocks.extent import Extent, covering
from runner.blocks.source import open_source

MIB = 1024 * 1024


@pytest.mark.parametrize("format", ["qcow3", "RAW", "", "auto"])
def test_the_format_is_stated_never_probed(tmp_path, format):
    with pytest.raises(FormatUnknown, match="raw, vmdk") as caught:
        open_source(str(tmp_path), format)
    assert caught.value.exit_code == 3 and "raw" in caught.value.known


def test_a_raw_disk_that_says_qcow2_stays_raw(tmp_path):
    path = tmp_path / "disk.raw"
    path.write_bytes(b"QFI\xfb" + bytes(508))
    source = open_source(str(path), "raw")
    assert source.size == 512
    buffer = memoryview(bytearray(512))
    source.read_into(0, buffer)
    assert bytes(buffer) == path.read_bytes()


def test_what_is_no_disk_is_refused(tmp_path):
    empty, fifo = tmp_path / "empty", tmp_path / "fifo"
    empty.touch()
    os.mkfifo(fifo)
    cases = {
        tmp_path / "missing": SourceMissing,
        tmp_path / "missing" / "deeper": SourceMissing,
        tmp_path: SourceUnusable,
        fifo: SourceUnusable,
        empty / "below-a-file": SourceUnusable,
        empty: SourceEmpty,
        "/dev/null": SourceUnusable,
    }
    for path, error in cases.items():
        with pytest.raises(error) as caught:
            open_source(str(path), "raw")
        assert caught.value.exit_code == 3
        assert caught.value.location == str(path) and caught.value.hint


@pytest.mark.parametrize(
    ("size", "written"),
    [
        (3, [(0, 3)]),
        (10 * MIB, []),
        (10 * MIB, [(0, 10 * MIB)]),
        (10 * MIB + 5, [(MIB, 4096), (5 * MIB, MIB)]),
        (10 * MIB, [(0, 1), (10 * MIB - 1, 1)]),
    ],
)
def test_extents_cover_the_file_and_hold_all_that_was_written(tmp_path, size, written):
    path = tmp_path / "disk.raw"
    with open(path, "wb") as file:
        for offset, length in written:
            file.seek(offset)
            file.write(b"x" * length)
        file.truncate(size)
    source = open_source(str(path), "raw")
    extents = list(covering(source.extents(), size))
    data = [e for e in extents if e.kind == "data"]
    for offset, length in written:
        assert any(e.offset <= offset and offset + length <= e.end for e in data)
    if os.statvfs(path).f_bsize <= MIB:
        assert sum(e.length for e in data) <= sum(length for _, length in written) + 2 * 4096 * len(written)
    if not written:
        assert extents == [Extent(0, size, "hole")]


def test_reads_are_exact_or_an_error(tmp_path):
    path = tmp_path / "disk.raw"
    content = os.urandom(10_000)
    path.write_bytes(content)
    source = open_source(str(path), "raw")
    buffer = memoryview(bytearray(5000))
    source.read_into(4999, buffer)
    assert bytes(buffer) == content[4999:9999]
    with pytest.raises(ShortRead) as caught:
        source.read_into(9000, buffer)
    assert (caught.value.offset, caught.value.wanted, caught.value.got) == (9000, 5000, 1000)


@pytest.mark.parametrize("change", ["append", "touch", "replace", "truncate"])
def test_the_fingerprint_tells_a_change(tmp_path, change):
    path = tmp_path / "disk.raw"
    path.write_bytes(b"a" * 1000)
    source = open_source(str(path), "raw")
    before = source.fingerprint()
    assert (before.size, before.inode) == (1000, path.stat().st_ino)
    assert before.changes(source.fingerprint()) == ""
    if change == "append":
        with open(path, "ab") as file:
            file.write(b"b")
    elif change == "touch":
        os.utime(path, ns=(1, 1))
    elif change == "replace":
        (tmp_path / "new").write_bytes(b"a" * 1000)
        os.utime(tmp_path / "new", ns=(before.mtime_ns, before.mtime_ns))
        (tmp_path / "new").rename(path)
    else:
        os.truncate(path, 10)
    assert before.changes(source.fingerprint()) != ""
