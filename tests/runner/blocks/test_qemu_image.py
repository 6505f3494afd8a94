"""qcow2, VHD and VHDX behind QEMU: the disk that qemu-img put in, and every way out of the file refused before."""

from __future__ import annotations

import os
import random
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from runner.blocks import qemu_image
from runner.blocks.bytefile import open_local
from runner.blocks.errors import ImageRefused, ReadFailed, ShortRead, SourceUnusable
from runner.blocks.extent import covering
from runner.blocks.qcow2_header import check_qcow2
from runner.blocks.source import Source, open_source
from runner.blocks.vhd_header import check_vhd
from runner.blocks.vhdx_header import check_vhdx

pytestmark = pytest.mark.process
MIB = 1024 * 1024
SIZE = 9 * MIB + 512 * 3
DRIVERS = {"qcow2": "qcow2", "vhd": "vpc", "vhdx": "vhdx"}
# (format, options of qemu-img convert)
VARIANTS = [
    ("qcow2", []),
    ("qcow2", ["-c"]),
    ("qcow2", ["-c", "-o", "compression_type=zstd"]),
    ("qcow2", ["-o", "compat=0.10"]),
    ("qcow2", ["-o", "cluster_size=512"]),
    ("qcow2", ["-o", "cluster_size=2M"]),
    ("qcow2", ["-o", "extended_l2=on,cluster_size=128k"]),
    ("vhd", []),
    ("vhd", ["-o", "subformat=fixed"]),
    ("vhd", ["-o", "force_size=on"]),
    ("vhdx", []),
    ("vhdx", ["-o", "subformat=fixed"]),
    ("vhdx", ["-o", "block_size=1M"]),
]


@pytest.fixture(autouse=True)
def scratch(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of this test's servers: others on the machine may read images too."""
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="own-") as place:
        os.chmod(place, 0o755)  # the unprivileged reader must come through
        monkeypatch.setattr(qemu_image, "_SCRATCH", place)
        yield Path(place)


def content() -> bytes:
    chance = random.Random(5)
    return chance.randbytes(2 * MIB) + bytes(4 * MIB) + b"text " * (MIB // 5 * 2) + bytes(100_000) + b"end"


def qemu_img(*words: str | Path) -> None:
    subprocess.run(["qemu-img", *words], check=True, capture_output=True, timeout=60)


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("qemu") / "disk.raw"
    path.write_bytes(content())
    os.truncate(path, SIZE)
    return path


def made(raw: Path, folder: Path, format: str, *options: str) -> Path:
    image = folder / f"disk.{format}"
    qemu_img("convert", "-f", "raw", "-O", DRIVERS[format], *options, raw, image)
    return image


def whole(source: Source) -> bytes:
    buffer = bytearray(source.size)
    for at in range(0, source.size, 700_001):
        source.read_into(at, memoryview(buffer)[at : at + 700_001])
    return bytes(buffer)


@pytest.mark.parametrize(("format", "options"), VARIANTS, ids=lambda value: value if isinstance(value, str) else None)
def test_every_variant_is_the_disk(raw: Path, tmp_path: Path, format: str, options: list[str]) -> None:
    image = made(raw, tmp_path, format, *options)
    image.chmod(0o600)
    expected = raw.read_bytes()
    with closing(open_source(str(image), format)) as source:
        got = whole(source)
        assert got[:SIZE] == expected and not any(got[SIZE:])
        # A VHD of qemu-img's is rounded up to its geometry of cylinders.
        assert source.size == SIZE or (format == "vhd" and SIZE < source.size < SIZE + MIB)
        for extent in covering(source.extents(), source.size):
            assert extent.kind == "data" or not any(got[extent.offset : extent.end])
        with pytest.raises(ShortRead):
            source.read_into(source.size - 1, memoryview(bytearray(2)))
        before = source.fingerprint()
        with image.open("ab") as file:
            file.write(b"x")
        assert "size" in before.changes(source.fingerprint())


def test_who_parses_may_do_nothing(raw: Path, tmp_path: Path, scratch: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root has rights to give up")
    with closing(open_source(str(made(raw, tmp_path, "qcow2")), "qcow2")):
        (parsing,) = [pid for pid, line in commands(scratch).items() if "qemu-nbd" in line and '"qcow2"' in line]
        status = dict(line.split(":\t", 1) for line in Path(f"/proc/{parsing}/status").read_text().splitlines())
        assert "0" not in status["Uid"].split() and "0" not in status["Gid"].split()
        assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0 and status["NoNewPrivs"] == "1"
        assert status["Groups"].strip() == ""
        assert Path(f"/proc/{parsing}/ns/net").readlink() != Path("/proc/self/ns/net").readlink()
        opened = [os.readlink(fd) for fd in Path(f"/proc/{parsing}/fd").iterdir()]
        assert not [path for path in opened if path.startswith(str(tmp_path))]
        limits = Path(f"/proc/{parsing}/limits").read_text()
        assert [line.split()[3] for line in limits.splitlines() if line.startswith("Max file size")] == ["0"]


def commands(scratch: Path) -> dict[int, str]:
    """The command lines of the servers that work in this folder."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            found[int(entry.name)] = line
    return {pid: line for pid, line in found.items() if f"{scratch}/" in line and not line.startswith("/bin/bash")}


def test_nothing_is_left_behind(raw: Path, tmp_path: Path, scratch: Path) -> None:
    source = open_source(str(made(raw, tmp_path, "qcow2")), "qcow2")
    assert list(scratch.iterdir()) and commands(scratch)
    source.close()
    source.close()
    assert not list(scratch.iterdir()) and not commands(scratch)


def test_what_a_killed_process_left_is_removed_and_what_is_in_use_is_not(
    raw: Path, tmp_path: Path, scratch: Path
) -> None:
    image = made(raw, tmp_path, "qcow2")
    dead = scratch / "hotadd-image-of-a-dead-process"
    dead.mkdir()
    (dead / "bytes").touch()
    with closing(open_source(str(image), "qcow2")) as used:
        folders = set(scratch.iterdir())
        for folder in folders:
            os.utime(folder, (1, 1))
        with closing(open_source(str(image), "qcow2")):
            assert not dead.exists()
        assert set(scratch.iterdir()) == folders - {dead}
        assert len(whole(used)) == SIZE


def test_servers_that_die_are_a_read_error(raw: Path, tmp_path: Path, scratch: Path) -> None:
    source = open_source(str(made(raw, tmp_path, "qcow2")), "qcow2")
    for pid in commands(scratch):
        os.kill(pid, 9)
    time.sleep(0.1)
    with pytest.raises((OSError, ReadFailed)):
        source.read_into(0, memoryview(bytearray(4096)))
    source.close()


def refused(image: Path, format: str, field: str) -> str:
    with pytest.raises(ImageRefused) as error:
        open_source(str(image), format).close()
    assert error.value.exit_code == 3 and error.value.hint
    assert error.value.field == field, error.value.sentence
    return error.value.sentence


def patched(image: Path, at: int, data: bytes) -> Path:
    with image.open("r+b") as file:
        file.seek(at, os.SEEK_END if at < 0 else os.SEEK_SET)
        file.write(data)
    return image


def test_qcow2_with_other_files_or_snapshots(raw: Path, tmp_path: Path) -> None:
    image = tmp_path / "x.qcow2"
    qemu_img("create", "-f", "qcow2", "-b", raw, "-F", "raw", image)
    assert "backing file" in refused(image, "qcow2", "backing_file_offset")
    qemu_img("create", "-f", "qcow2", "-o", f"data_file={tmp_path}/other,data_file_raw=on", image, "1M")
    assert "external data file" in refused(image, "qcow2", "incompatible_features")  # CVE-2024-32498
    features = struct.unpack(">Q", image.read_bytes()[72:80])[0]
    patched(image, 72, struct.pack(">Q", features & ~4))  # the name alone, without its bit
    assert "external data file" in refused(image, "qcow2", "header extension")
    plain = made(raw, tmp_path, "qcow2")
    qemu_img("snapshot", "-c", "before", plain)
    assert "1 internal snapshots" in refused(plain, "qcow2", "nb_snapshots")


# (bytes of the header to write, where, the field that is refused); fields after docs/interop/qcow2.txt
QCOW2_BAD = [
    (b"QFI\0", 0, "header"),
    (struct.pack(">I", 1), 4, "version"),
    (struct.pack(">I", 4), 4, "version"),
    (struct.pack(">I", 8), 20, "cluster_bits"),
    (struct.pack(">I", 22), 20, "cluster_bits"),
    (struct.pack(">I", 1), 32, "crypt_method"),
    (struct.pack(">I", 2), 32, "crypt_method"),
    (struct.pack(">Q", 10 << 50), 24, "size"),
    (struct.pack(">Q", 1 << 63), 24, "size"),
    (struct.pack(">Q", 0), 24, "size"),
    (struct.pack(">Q", 64 << 40), 24, "l1_size"),
    (struct.pack(">I", 0), 36, "l1_size"),
    (struct.pack(">I", 1 << 31), 36, "l1_size"),
    (struct.pack(">Q", 1 << 40), 40, "l1_table_offset"),
    (struct.pack(">Q", 513), 40, "l1_table_offset"),
    (struct.pack(">Q", 1 << 1), 72, "incompatible_features"),
    (struct.pack(">Q", 1 << 63), 72, "incompatible_features"),
    (struct.pack(">I", 1 << 30), 100, "header_length"),
    (struct.pack(">I", 72), 100, "header_length"),
]


@pytest.mark.parametrize(("data", "at", "field"), QCOW2_BAD)
def test_qcow2_headers_that_lie(raw: Path, tmp_path: Path, data: bytes, at: int, field: str) -> None:
    refused(patched(made(raw, tmp_path, "qcow2"), at, data), "qcow2", field)


def test_vhd_headers_that_lie(raw: Path, tmp_path: Path) -> None:
    def footer(kind: int | None = None, size: int | None = None) -> bytes:
        data = bytearray(image.read_bytes()[-512:])
        if kind is not None:
            data[60:64] = struct.pack(">I", kind)
        if size is not None:
            data[48:56] = struct.pack(">Q", size)
        data[64:68] = bytes(4)
        data[64:68] = struct.pack(">I", ~sum(data) & 0xFFFFFFFF)
        return bytes(data)

    image = made(raw, tmp_path, "vhd")
    good = image.read_bytes()
    for data, field in (
        (bytes(512), "footer"),
        (good[-512:-1] + b"x", "footer"),
        (footer(kind=4), "disk type"),
        (footer(kind=9), "disk type"),
        (footer(size=1 << 63), "current size"),
        (footer(size=10 << 50), "current size"),
    ):
        image.write_bytes(good[:-512] + data)
        refused(image, "vhd", field)
    image.write_bytes(footer(size=40 << 40) + good[512:-512] + footer(size=40 << 40))
    refused(image, "vhd", "table entries")
    # The block allocation table of qemu-img lies behind the dynamic header, at 1536.
    image.write_bytes(good[:1536] + struct.pack(">I", 1 << 30) + good[1540:])
    refused(image, "vhd", "block allocation table")
    image.write_bytes(good[:1540] + good[1536:1540] + good[1544:])
    refused(image, "vhd", "block allocation table")
    fixed = made(raw, tmp_path, "vhd", "-o", "subformat=fixed")
    fixed.write_bytes(fixed.read_bytes()[:4096] + footer(kind=2, size=SIZE))
    refused(fixed, "vhd", "current size")


def crc32c(data: bytes) -> int:
    """Bit by bit, after RFC 3720; its example: 32 bytes of zeroes give 0x8a9136aa."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def sealed(data: bytes) -> bytes:
    return data[:4] + struct.pack("<I", crc32c(data[:4] + bytes(4) + data[8:])) + data[8:]


def test_vhdx_that_was_not_closed_or_lies(raw: Path, tmp_path: Path) -> None:
    assert crc32c(bytes(32)) == 0x8A9136AA
    good = made(raw, tmp_path, "vhdx").read_bytes()
    headers = [good[at : at + 4096] for at in (65536, 131072)]
    newer = max((0, 1), key=lambda n: struct.unpack_from("<Q", headers[n], 8)[0])
    image = tmp_path / "bad.vhdx"

    def with_header(at: int, data: bytes, which: int = newer) -> Path:
        place = (65536, 131072)[which]
        header = headers[which][:at] + data + headers[which][at + len(data) :]
        image.write_bytes(good[:place] + sealed(header) + good[place + 4096 :])
        return image

    assert "replayed" in refused(with_header(48, b"\x01" * 16), "vhdx", "log")
    refused(with_header(68, struct.pack("<I", 1 << 30)), "vhdx", "log")
    refused(with_header(68, struct.pack("<I", 4096)), "vhdx", "log")
    refused(with_header(72, struct.pack("<Q", 1 << 40)), "vhdx", "log")
    refused(with_header(66, struct.pack("<H", 2)), "vhdx", "version")
    # The older header's log does not count, nor does a header whose checksum is wrong.
    assert check_vhdx(open_local(str(with_header(48, b"\x01" * 16, 1 - newer)))) == SIZE
    image.write_bytes(good[:65536] + bytes(2 * 65536) + good[196608:])
    refused(image, "vhdx", "header")
    image.write_bytes(b"vhdxfild" + good[8:])
    refused(image, "vhdx", "file identifier")
    image.write_bytes(good[: 192 * 1024 + 100] + b"x" + good[192 * 1024 + 101 :])
    refused(image, "vhdx", "region table")
    parameters = bytes.fromhex("3767a1ca36fa434db3b633f0aa44e76b")
    entry = good.index(parameters)
    region = entry // MIB * MIB
    (offset,) = struct.unpack_from("<I", good, entry + 16)
    flags = region + offset + 4
    image.write_bytes(good[:flags] + struct.pack("<I", 2) + good[flags + 4 :])
    assert "differencing" in refused(image, "vhdx", "file parameters")
    size_at = good.index(bytes.fromhex("2442a52f1bcd7648b2115dbed83bf4b8"))
    (offset,) = struct.unpack_from("<I", good, size_at + 16)
    image.write_bytes(good[: region + offset] + struct.pack("<Q", 10 << 50) + good[region + offset + 8 :])
    refused(image, "vhdx", "virtual disk size")


@pytest.mark.parametrize("format", ["qcow2", "vhd", "vhdx"])
def test_cut_anywhere_it_is_refused_or_read_within_bounds(raw: Path, tmp_path: Path, format: str) -> None:
    check = {"qcow2": check_qcow2, "vhd": check_vhd, "vhdx": check_vhdx}[format]
    image = made(raw, tmp_path, format)
    good = image.read_bytes()
    survivors = []
    # A VHDX's checksums take their time: all of its own structures, and every 16th boundary of its data.
    for cut in reversed(
        [at for at in range(0, len(good), 4096) if format != "vhdx" or at < 3 * MIB or at % 65536 == 0]
    ):
        os.truncate(image, cut)
        try:
            with closing(open_local(str(image))) as file:
                assert 0 < check(file) < SIZE + MIB
            survivors.append(cut)
        except ImageRefused:
            pass
    for cut in survivors[:: max(1, len(survivors) // 4)]:
        image.write_bytes(good[:cut])
        try:
            with closing(open_source(str(image), format)) as source:
                whole(source)
        except (ImageRefused, SourceUnusable, OSError):
            pass


def test_another_format_than_stated_is_refused(raw: Path, tmp_path: Path) -> None:
    image = made(raw, tmp_path, "qcow2")
    refused(image, "vhd", "footer")
    refused(image, "vhdx", "file identifier")
    refused(raw, "qcow2", "header")
