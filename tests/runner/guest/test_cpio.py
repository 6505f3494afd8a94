"""Members read from an initramfs: archives that cpio and the compressors make, against cpio's own list of them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from runner.guest.cpio import read_members

pytestmark = pytest.mark.process

TABLE = "cryptroot/crypttab"
MODULES = "usr/lib/modules/6.1.0-9-amd64/kernel/drivers"
FILES = {
    "init": b"#!/bin/sh\n",
    f"{MODULES}/nvme/host/nvme.ko": b"\x7fELF" + bytes(5001),
    f"{MODULES}/net/ethernet/amazon/ena/ena.ko.xz": b"\xfd7zXZ" + bytes(range(256)) * 9,
    "etc/empty": b"",
    TABLE: b"sda2_crypt UUID=3c1d6c3e-5b60-4c1b-9f0e-6a1d0c7b8e09 none luks\n",
    "etc/with a blank, ä": b"x",
}
EARLY = {"kernel/x86/microcode/AuthenticAMD.bin": b"DMA\0" + bytes(70_001)}
# As mkinitramfs(8) and dracut(8) call them.
COMPRESSORS = {
    "none": ["cat"],
    "gzip": ["gzip", "-n", "-1"],
    "bzip2": ["bzip2"],
    "xz": ["xz", "--check=crc32"],
    "lzma": ["lzma"],
    "lzop": ["lzop", "-9"],
    "lz4": ["lz4", "-9", "-l"],
    "zstd": ["zstd", "-q", "-19", "-T0"],
}


def archive(place: Path, files: dict[str, bytes], kind: str = "newc") -> tuple[bytes, set[str]]:
    """An archive of these files, and cpio's list of it."""
    for path, content in files.items():
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_bytes(content)
    (place / "lib").symlink_to("usr/lib")
    command = f"find . -mindepth 1 -printf '%P\\n' | sort | cpio --quiet -o -H {kind}"
    made = subprocess.run(["sh", "-c", command], cwd=place, check=True, capture_output=True, timeout=60).stdout
    listed = subprocess.run(["cpio", "--quiet", "-t"], input=made, check=True, capture_output=True, timeout=60).stdout
    return made, set(listed.decode().splitlines())


def packed(content: bytes, compressor: str) -> bytes:
    return subprocess.run(COMPRESSORS[compressor], input=content, check=True, capture_output=True, timeout=60).stdout


def members(image: Path) -> set[str]:
    found = read_members(image, [TABLE, *EARLY])
    assert found is not None
    kept = {path: content for path, content in found.items() if content}
    assert kept == {
        path: content for path, content in {**FILES, **EARLY}.items() if path in (TABLE, *EARLY) and path in found
    }
    return set(found)


@pytest.fixture
def main(tmp_path: Path) -> tuple[bytes, set[str]]:
    made, names = archive(tmp_path / "main", FILES)
    assert set(FILES) < names
    return made, names


@pytest.mark.parametrize("compressor", COMPRESSORS)
def test_all_names_behind_microcode_and_zeroes(compressor: str, tmp_path: Path, main: tuple[bytes, set[str]]) -> None:
    early, early_names = archive(tmp_path / "early", EARLY, "crc")
    content, names = main
    image = tmp_path / "image"
    image.write_bytes(packed(content, compressor))
    assert members(image) == names
    image.write_bytes(early + bytes(4096 - len(early) % 4096) + packed(content, compressor))
    assert members(image) == names | early_names


@pytest.mark.parametrize("compressor", ["none", "gzip", "xz", "zstd"])
def test_a_cut_image_has_no_names(compressor: str, tmp_path: Path, main: tuple[bytes, set[str]]) -> None:
    whole, image = packed(main[0], compressor), tmp_path / "image"
    for part in range(1, 10):
        image.write_bytes(whole[: len(whole) * part // 10])
        assert read_members(image) is None, f"{part} tenths"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no initramfs\n",
        bytes(1 << 20),
        b"070701" + b"g" * 104,  # no hexadecimal
        b"070701" + b"0" * 88 + b"00100000" + b"0" * 8,  # a name of a MiB
        b"070701" + b"0" * 48 + b"ffffffff" + b"0" * 32 + b"00000004" + b"0" * 8 + b"abc\0",  # 4 GiB that are not there
        b"\x28\xb5\x2f\xfd" + b"no zstd" * 9,
        b"\x89LZO",
    ],
)
def test_what_is_no_initramfs_has_no_names(content: bytes, tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.write_bytes(content)
    assert read_members(image) is None


def test_a_bomb_is_not_unpacked_to_its_end(tmp_path: Path, main: tuple[bytes, set[str]]) -> None:
    """A member of 2 GiB in a few bytes, then another one."""
    header = b"070701" + b"0" * 48 + b"7ffffff0" + b"0" * 32 + b"00000004" + b"0" * 8 + b"abc\0"
    command = f"printf '{header[:-1].decode()}\\0\\0\\0'; head -c 2147483632 /dev/zero; cat main"
    (tmp_path / "main.cpio").write_bytes(main[0])
    bomb = subprocess.run(
        ["sh", "-c", f"( {command.replace('cat main', 'cat main.cpio')} ) | zstd -q -1"],
        cwd=tmp_path, check=True, capture_output=True, timeout=120,
    ).stdout  # fmt: skip
    (tmp_path / "image").write_bytes(bomb)
    assert len(bomb) < 1 << 20 and read_members(tmp_path / "image") is None
