"""VMDK images: what qemu-img and the format's document make is read bit for bit, hostile ones are refused by name."""

from __future__ import annotations

import struct
import subprocess
import tracemalloc
import zlib
from itertools import product

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.blocks.errors import ImageDamaged, ImageRefused, ShortRead, SourceUnusable
from runner.blocks.extent import covering
from runner.blocks.memory import MemoryDevice, MemorySource
from runner.blocks.source import open_source
from schemas.errors import HotaddError
from tests.runner.blocks.vmdk_made import GRAIN, SECTOR, header, sparse, streamed, text

MIB = 1024 * 1024
GRAIN_BYTES = GRAIN * SECTOR


def content_of(picture: str, unit: int = GRAIN_BYTES, trim: int = 0, seed: int = 4) -> bytes:
    return bytes(MemorySource.from_picture(picture, unit, seed=seed, trim=trim).content)


def read_all(source, step: int) -> bytes:
    whole = memoryview(bytearray(source.size))
    for at in range(0, source.size, step):
        source.read_into(at, whole[at : at + step])
    return bytes(whole)


def check(path, content: bytes) -> None:
    """Every byte, read in steps that cross grains, and no data outside data extents."""
    source = open_source(str(path), "vmdk")
    assert source.size == len(content)
    assert read_all(source, 2 * MIB) == content
    assert read_all(source, 300_007) == content
    for extent in covering(source.extents(), source.size):
        assert extent.kind == "data" or not any(content[extent.offset : extent.end])
    assert read_all(source, 5003) == content
    with pytest.raises(ShortRead):
        source.read_into(source.size - 1, memoryview(bytearray(2)))
    source.close()


@pytest.mark.parametrize(
    ("picture", "trim"),
    [
        *product(["D", "-", "D-D", "DD--DDDD-D", "-" * 40 + "D"], [0, 512, 65024]),
        pytest.param("D" * 90, 512, marks=pytest.mark.thorough),
    ],
)
def test_a_sparse_file_is_read_bit_for_bit(tmp_path, picture, trim):
    content = content_of(picture, trim=trim)
    sparse(tmp_path / "disk.vmdk", content)
    check(tmp_path / "disk.vmdk", content)


@pytest.mark.parametrize(
    ("picture", "trim"),
    [*product(["D", "-", "DD-D"], [0, 512, 65024]), pytest.param("D0D--" * 20, 512, marks=pytest.mark.thorough)],
)
def test_a_stream_optimized_file_is_read_bit_for_bit(tmp_path, picture, trim):
    content = content_of(picture, trim=trim)
    streamed(tmp_path / "disk.vmdk", content)
    check(tmp_path / "disk.vmdk", content)


@pytest.mark.parametrize("make", [sparse, streamed])
@pytest.mark.parametrize("grain", [8, 16, pytest.param(1024, marks=pytest.mark.thorough)])
@pytest.mark.parametrize("shuffle", [None, 1])
def test_grains_of_any_size_and_order_are_read(tmp_path, make, grain, shuffle):
    content = content_of("DD-D0DDD-D" * 4, 4096 if grain < 128 else 65536, trim=512)
    make(tmp_path / "disk.vmdk", content, sectors=grain, shuffle=shuffle)
    check(tmp_path / "disk.vmdk", content)


def test_what_is_not_in_the_file_is_a_hole(tmp_path):
    sparse(tmp_path / "disk.vmdk", content_of("D-D"))
    extents = [(e.kind, e.length) for e in open_source(str(tmp_path / "disk.vmdk"), "vmdk").extents()]
    assert extents == [("data", GRAIN_BYTES), ("hole", GRAIN_BYTES), ("data", GRAIN_BYTES)]


def test_grains_stated_as_zero_are_zero(tmp_path):
    sparse(tmp_path / "disk.vmdk", content_of("DDD"), flags=7)
    image = bytearray((tmp_path / "disk.vmdk").read_bytes())
    image[22 * SECTOR + 4 : 22 * SECTOR + 8] = struct.pack("<I", 1)
    (tmp_path / "disk.vmdk").write_bytes(image)
    content = content_of("DDD")
    content = content[:GRAIN_BYTES] + bytes(GRAIN_BYTES) + content[2 * GRAIN_BYTES :]
    check(tmp_path / "disk.vmdk", content)
    kinds = [e.kind for e in open_source(str(tmp_path / "disk.vmdk"), "vmdk").extents()]
    assert kinds[:3] == ["data", "zero", "data"]


def test_a_disk_in_several_files_is_one_disk(tmp_path):
    flat, part = content_of("DD", trim=512, seed=1), content_of("D-D", seed=2)
    (tmp_path / "flat").write_bytes(b"skipped!" * 64 + flat)
    sparse(tmp_path / "part.vmdk", part, said=b"", descriptor=0, descriptor_size=0)
    check_lines = {
        "monolithicFlat": ([f'RW {len(flat) // 512} FLAT "flat" 1', "RW 7 ZERO"], flat + bytes(7 * 512)),
        "vmfs": ([f'RW {len(flat) // 512} VMFS "flat"'], (b"skipped!" * 64 + flat)[: len(flat)]),
        "twoGbMaxExtentSparse": ([f'RW {len(part) // 512} SPARSE "part.vmdk"', "RW 1 ZERO"], part + bytes(512)),
        "twoGbMaxExtentFlat": (['RW 1 FLAT "flat" 0', 'RW 2 FLAT "flat" 1'], b"skipped!" * 64 + flat[:1024]),
    }
    for kind, (lines, content) in check_lines.items():
        (tmp_path / "disk.vmdk").write_bytes(text(kind, *lines))
        check(tmp_path / "disk.vmdk", content)


def test_a_vmdk_is_copied_and_its_files_watched(bench, tmp_path):
    content = content_of("DD-D0D" * 8)
    sparse(tmp_path / "disk.vmdk", content)
    source = open_source(str(tmp_path / "disk.vmdk"), "vmdk")
    device = MemoryDevice(len(content), fill=b"\xff")
    result = bench.copy(source, device, verify="full")
    assert device.content == content
    bench.check_digests(content)
    assert result.source.size == (tmp_path / "disk.vmdk").stat().st_size
    (tmp_path / "new").write_bytes((tmp_path / "disk.vmdk").read_bytes())
    (tmp_path / "new").rename(tmp_path / "disk.vmdk")
    assert result.source.changes(source.fingerprint())


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"magic": b"QFI\xfb"}, "header"),
        ({"version": 9}, "version"),
        ({"newlines": b"\n \n\n"}, "newline"),
        ({"capacity": 0}, "capacity"),
        ({"capacity": 2**63}, "capacity"),
        ({"capacity": 10 * 2**50 // 512}, "capacity"),
        ({"grain": 0}, "grainSize"),
        ({"grain": 4}, "grainSize"),
        ({"grain": 129}, "grainSize"),
        ({"grain": 8, "capacity": 2**36}, "grainSize"),
        ({"grain": 2**40}, "grainSize"),
        ({"entries": 2**31}, "numGTEsPerGT"),
        ({"entries": 0}, "numGTEsPerGT"),
        ({"compression": 2}, "compressAlgorithm"),
        ({"compression": 1, "flags": 0x10001}, "flags"),
        ({"compression": 1}, "compressAlgorithm"),
        ({"directory": 2**40}, "gdOffset"),
        ({"directory": 0}, "gdOffset"),
        ({"directory": 2**64 - 1}, "gdOffset"),
        ({"descriptor": 2**50}, "descriptor"),
        ({"descriptor_size": 2**40}, "descriptor"),
        ({"descriptor_size": 0}, "descriptor"),
        ({"capacity": 128 * 4}, "extent"),
    ],
)
def test_a_header_that_breaks_a_rule_is_refused_by_field(tmp_path, change, field):
    sparse(tmp_path / "disk.vmdk", content_of("DDD"), **change)
    with pytest.raises(ImageRefused) as caught:
        open_source(str(tmp_path / "disk.vmdk"), "vmdk")
    assert caught.value.field.startswith(field) and caught.value.exit_code == 3


@pytest.mark.parametrize(
    ("at", "value", "field"),
    [
        (21 * SECTOR, 0xFFFFFFFF, "grain directory"),
        (22 * SECTOR, 0xFFFFFFFF, "grain table"),
        (22 * SECTOR + 8, 128 + 3 * 128 - 127, "grain table"),
    ],
)
def test_a_map_that_leads_out_of_the_file_is_refused(tmp_path, at, value, field):
    sparse(tmp_path / "disk.vmdk", content_of("DDD"))
    image = bytearray((tmp_path / "disk.vmdk").read_bytes())
    image[at : at + 4] = struct.pack("<I", value)
    (tmp_path / "disk.vmdk").write_bytes(image)
    with pytest.raises(ImageRefused) as caught:
        open_source(str(tmp_path / "disk.vmdk"), "vmdk")
    assert caught.value.field.startswith(field)


def test_overlapping_tables_and_grains_are_refused(tmp_path):
    content = content_of("D" + "-" * 600)
    sparse(tmp_path / "disk.vmdk", content)
    image = bytearray((tmp_path / "disk.vmdk").read_bytes())
    twice, near, many, apart = (bytearray(image) for _ in range(4))
    twice[21 * SECTOR : 21 * SECTOR + 8] = struct.pack("<2I", 22, 22)
    near[21 * SECTOR : 21 * SECTOR + 8] = struct.pack("<2I", 22, 25)
    # Each table is right by itself; the file has room for a fourth of what they name together.
    apart[21 * SECTOR : 21 * SECTOR + 8] = struct.pack("<2I", 22, 26)
    apart[22 * SECTOR : 22 * SECTOR + 16] = apart[26 * SECTOR : 26 * SECTOR + 16] = struct.pack("<4I", 30, 60, 90, 120)
    many[22 * SECTOR : 22 * SECTOR + 40] = struct.pack("<10I", *[128] * 10)
    for made, field in (
        (twice, "grain directory"),
        (near, "grain directory"),
        (many, "grain table 0"),
        (apart, "grain tables"),
    ):
        (tmp_path / "disk.vmdk").write_bytes(made)
        with pytest.raises(ImageRefused) as caught:
            open_source(str(tmp_path / "disk.vmdk"), "vmdk")
        assert caught.value.field == field


@pytest.mark.parametrize("make", [sparse, streamed])
def test_a_file_cut_at_any_4_kib_is_refused(tmp_path, make):
    content = content_of("DD-D")
    make(tmp_path / "whole.vmdk", content)
    whole = (tmp_path / "whole.vmdk").read_bytes()
    for end in range(0, len(whole), 4096):
        (tmp_path / "disk.vmdk").write_bytes(whole[:end])
        with pytest.raises(HotaddError) as caught:
            open_source(str(tmp_path / "disk.vmdk"), "vmdk")
        assert caught.value.exit_code == 3, f"cut at {end}"


WHOLE = zlib.compress(bytes(range(256)) * 256)
BOMB = zlib.compress(bytes(20 * MIB))


@pytest.mark.parametrize(
    "grain",
    [
        struct.pack("<QI", 0, len(BOMB)) + BOMB,
        struct.pack("<QI", 0, 10) + b"0123456789",
        struct.pack("<QI", 128, len(WHOLE)) + WHOLE,  # another grain's
        struct.pack("<QI", 0, len(WHOLE) - 4) + WHOLE[:-4],  # all bytes, no checksum
        struct.pack("<QI", 0, len(WHOLE)) + WHOLE[:-1] + b"?",  # all bytes, another checksum
        struct.pack("<QI", 0, 0xFFFFFFFF),
        struct.pack("<QI", 0, 0),
        struct.pack("<QI", 0, 75_000_000),
        struct.pack("<QI", 0, len(zlib.compress(bytes(100)))) + zlib.compress(bytes(100)),
        struct.pack("<QI", 0, 30) + zlib.compress(bytes(range(256)) * 256)[:30],
    ],
    ids=["bomb", "no-zlib", "another", "no-checksum", "bad-checksum", "4-gib", "nothing", "75-mb", "short", "cut"],
)
def test_a_grain_that_is_no_grain_is_damage(tmp_path, grain):
    streamed(tmp_path / "disk.vmdk", content_of("DD"), grains={0: grain})
    source = open_source(str(tmp_path / "disk.vmdk"), "vmdk")
    tracemalloc.start()
    try:
        with pytest.raises(ImageDamaged) as caught:
            source.read_into(0, memoryview(bytearray(1000)))
        assert tracemalloc.get_traced_memory()[1] < 4 * MIB, "no more than a grain is inflated"
    finally:
        tracemalloc.stop()
    assert caught.value.offset == 0


def test_a_footer_that_contradicts_the_header_is_refused(tmp_path):
    streamed(tmp_path / "disk.vmdk", content_of("DD"))
    image = bytearray((tmp_path / "disk.vmdk").read_bytes())
    image[-1024:-512] = header(128 * 5, 130, version=3, flags=0x30001, compression=1)
    (tmp_path / "disk.vmdk").write_bytes(image)
    with pytest.raises(ImageRefused) as caught:
        open_source(str(tmp_path / "disk.vmdk"), "vmdk")
    assert caught.value.field == "footer"


FLAT = 'RW 8 FLAT "{}" 0'


@pytest.mark.parametrize(
    ("said", "field"),
    [
        (text("monolithicFlat", FLAT.format("/etc/passwd")), "extent file"),
        (text("monolithicFlat", FLAT.format("../secret")), "extent file"),
        (text("monolithicFlat", FLAT.format("sub/flat")), "extent file"),
        (text("monolithicFlat", FLAT.format("..")), "extent file"),
        (text("monolithicFlat", FLAT.format("a\\b")), "extent file"),
        (text("monolithicFlat", FLAT.format("")), "extent file"),
        (text("monolithicFlat", FLAT.format("link")), "file"),
        (text("monolithicFlat", FLAT.format("directory")), "file"),
        (text("monolithicFlat", FLAT.format("missing")), "file"),
        (text("monolithicFlat", 'RW 9 FLAT "flat" 0'), "extent"),
        (text("monolithicFlat", 'RW 8 FLAT "flat" 1'), "extent"),
        (text("monolithicFlat", 'RW 0 FLAT "flat" 0'), "extent"),
        (text("monolithicFlat", 'RW 18446744073709551615 FLAT "flat" 0'), "extent"),
        (text("monolithicFlat", 'RW 8 FLAT "flat" -1'), "extent"),
        (text("monolithicFlat", 'NOACCESS 8 FLAT "flat" 0'), "extent"),
        (text("monolithicFlat", 'RW 8 SPARSE "flat"'), "extent"),
        (text("monolithicFlat", "RW 20000000000000 ZERO"), "extent"),
        (text("monolithicFlat", *["RW 100000000000 ZERO"] * 2), "extents"),
        (text("monolithicFlat"), "extents"),
        (text("vmfs", 'RW 8 VMFSSPARSE "flat"'), "extent"),
        (text("vmfsSparse", 'RW 8 VMFSSPARSE "flat"'), "extent"),
        (text("vmfsSparse"), "createType"),
        (text("seSparse"), "createType"),
        (text("fullDevice", FLAT.format("flat")), "createType"),
        (text("", FLAT.format("flat")), "createType"),
        (text("monolithicFlat", FLAT.format("flat"), parent="12345678"), "parentCID"),
        (text("monolithicFlat", FLAT.format("flat")) + b"#" * 70_000, "descriptor"),
        (b"something else entirely", "header"),
        (b"COWD" + bytes(2044), "header"),
        (struct.pack("<QQ", 0xCAFEBABE, 0x200000001) + bytes(2032), "header"),
        (text("monolithicFlat", *["RW 1 ZERO"] * 5000), "extents"),
    ],
)
def test_a_descriptor_that_breaks_a_rule_is_refused_by_field(tmp_path, said, field):
    folder = tmp_path / "inner"
    (folder / "directory").mkdir(parents=True)
    (folder / "sub").mkdir()
    for name in (tmp_path / "secret", folder / "flat", folder / "sub" / "flat"):
        name.write_bytes(b"x" * 4096)
    (folder / "link").symlink_to("flat")
    (folder / "disk.vmdk").write_bytes(said)
    if said.count(b"ZERO") == 5000:  # under the limits: many small extents are a disk like any other
        assert open_source(str(folder / "disk.vmdk"), "vmdk").size == 5000 * 512
        return
    with pytest.raises(ImageRefused) as caught:
        open_source(str(folder / "disk.vmdk"), "vmdk")
    assert caught.value.field == field and caught.value.hint


def test_an_unreadable_path_is_refused_as_any_source(tmp_path):
    with pytest.raises(SourceUnusable):
        open_source(str(tmp_path), "vmdk")


@pytest.mark.thorough
@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    make=st.sampled_from([sparse, streamed]),
    changes=st.lists(st.tuples(st.integers(0, 160 * SECTOR), st.binary(min_size=1, max_size=9)), max_size=6),
)
def test_no_damage_makes_it_fail_in_another_way(tmp_path, make, changes):
    """Whatever is overwritten, opening and reading ends with bytes, a refusal or a named damage."""
    path = tmp_path / "disk.vmdk"
    make(path, content_of("D-D"))
    image = bytearray(path.read_bytes())
    for at, data in changes:
        image[at : at + len(data)] = data
    path.write_bytes(image)
    try:
        source = open_source(str(path), "vmdk")
        if source.size < 8 * MIB:
            read_all(source, MIB)
            list(covering(source.extents(), source.size))
    except HotaddError:
        pass


@pytest.mark.process
@pytest.mark.parametrize("subformat", ["monolithicSparse", "monolithicFlat", "streamOptimized", "twoGbMaxExtentSparse"])
@pytest.mark.parametrize(("picture", "unit", "trim"), [("D-0D", MIB, 0), ("D" * 3 + "-" * 20, MIB, 512), ("D", 512, 0)])
def test_what_qemu_img_writes_is_read_bit_for_bit(tmp_path, subformat, picture, unit, trim):
    content = content_of(picture, unit, trim)
    (tmp_path / "disk.raw").write_bytes(content)
    options = ["-f", "raw", "-O", "vmdk", "-o", f"subformat={subformat}", "-S", "4k"]
    subprocess.run(["qemu-img", "convert", *options, tmp_path / "disk.raw", tmp_path / "disk.vmdk"], check=True)
    check(tmp_path / "disk.vmdk", content)


@pytest.mark.process
def test_a_disk_of_several_2_gb_files_is_read(tmp_path):
    with open(tmp_path / "disk.raw", "wb") as file:
        file.truncate(5 << 30)
        for at in (0, (2 << 30) - 512, 2 << 30, (5 << 30) - 512):
            file.seek(at)
            file.write(b"%012d" % at * 42 + b"12345678")
    for subformat in ("twoGbMaxExtentSparse", "twoGbMaxExtentFlat"):
        target = tmp_path / subformat / "disk.vmdk"
        target.parent.mkdir()
        options = ["-f", "raw", "-O", "vmdk", "-o", f"subformat={subformat}"]
        subprocess.run(["qemu-img", "convert", *options, tmp_path / "disk.raw", target], check=True)
        source = open_source(str(target), "vmdk")
        assert source.size == 5 << 30
        assert sum(e.length for e in covering(source.extents(), source.size) if e.kind == "data") < 2 << 20
        for at in (0, (2 << 30) - 512, 2 << 30, (5 << 30) - 512):
            sector = memoryview(bytearray(512))
            source.read_into(at, sector)
            assert bytes(sector) == b"%012d" % at * 42 + b"12345678"
