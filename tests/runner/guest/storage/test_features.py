"""The table of features against the manual pages of the file systems' own tools, and against superblocks they made."""

from __future__ import annotations

import gzip
import re
import subprocess
from pathlib import Path

import pytest

from runner.guest.storage import features, superblock

NEWEST = (99, 0)


def page(name: str) -> str:
    """The source of a manual page that the file system's tools bring."""
    path = Path(f"/usr/share/man/man5/{name}.5.gz")
    if not path.exists():
        pytest.skip("the manual pages are not installed")
    return gzip.decompress(path.read_bytes()).decode().replace("\\fB", "").replace("\\fR", "")


def sinces(driver: str) -> dict[str, features.Version | None]:
    return {feature.name: feature.since for feature in features.TABLE[driver]}


def numbers(found: list[tuple[str, str, str]]) -> dict[str, features.Version]:
    return {name: (int(major), int(minor)) for name, major, minor in found}


def test_ext4s_numbers_are_those_of_its_manual_page():
    told = numbers(re.findall(r'^\.IP "(\w+)" 2in?\next[234/ext]*, (\d+)\.(\d+)', page("ext4"), re.MULTILINE))
    incompatible = {name: since for name, since in told.items() if name in sinces("ext")}
    assert len(incompatible) >= 19
    # What the page dates to 2.6 or before needs no number: no kernel that starts an appliance is so old.
    assert {name: max(since, features.ANY) for name, since in incompatible.items()} == {
        name: since for name, since in sinces("ext").items() if name in incompatible
    }


def test_btrfs_numbers_are_those_of_its_manual_page():
    told = numbers(re.findall(r"^\.B (\w+)\n\(since: (\d+)\.(\d+)(?:\.\d+)?\)", page("btrfs"), re.MULTILINE))
    known = {name: since for name, since in told.items() if name in sinces("btrfs")}
    assert len(known) >= 13
    assert {name: max(since, features.ANY) for name, since in known.items()} == {
        name: since for name, since in sinces("btrfs").items() if name in known
    }


# (type, how its tool makes it in a file of 320 MiB, the feature, a kernel that lacks it, one that has it)
MADE = [
    ("ext4", ["mke2fs", "-qFt", "ext4", "-O", "inline_data"], "inline_data", (3, 7), (3, 18)),
    ("ext4", ["mke2fs", "-qFt", "ext4", "-O", "casefold", "-E", "encoding=utf8"], "casefold", (5, 1), (5, 2)),
    ("ext4", ["mke2fs", "-qFt", "ext4", "-O", "quota,project"], "project", (4, 4), (4, 5)),
    ("ext4", ["mke2fs", "-qFt", "ext4", "-O", "verity"], "verity", (5, 3), (5, 4)),
    ("ext2", ["mke2fs", "-qFt", "ext2"], None, (2, 5), (2, 6)),
    ("xfs", ["mkfs.xfs", "-qf", "-m", "bigtime=1"], "bigtime", (5, 9), (5, 19)),
    ("xfs", ["mkfs.xfs", "-qf", "-m", "rmapbt=1"], "rmapbt", (4, 7), (5, 19)),
    ("xfs", ["mkfs.xfs", "-qf", "-i", "nrext64=1"], "nrext64", (5, 18), (5, 19)),
    (
        "xfs",
        ["mkfs.xfs", "-qf", "-m", "crc=0,finobt=0,reflink=0,bigtime=0,inobtcount=0"],
        None,
        (2, 5),
        (2, 6),
    ),
    ("btrfs", ["mkfs.btrfs", "-qf", "-O", "no-holes"], "no_holes", (3, 13), (5, 15)),
    ("btrfs", ["mkfs.btrfs", "-qf", "-R", "free-space-tree"], "free_space_tree", (4, 4), (5, 15)),
    ("btrfs", ["mkfs.btrfs", "-qf", "--mixed"], "extended_iref", (3, 6), (5, 15)),
    ("jfs", ["mkfs.jfs", "-q"], None, (2, 5), (2, 6)),
]


@pytest.mark.process
@pytest.mark.parametrize(("kind", "argv", "feature", "lacks", "has"), MADE)
def test_what_the_tools_make(tmp_path: Path, kind: str, argv: list[str], feature: str | None, lacks, has) -> None:
    path = tmp_path / "file-system"
    with path.open("wb") as file:
        file.truncate(320 * 1024 * 1024)
    subprocess.run([*argv, path], check=True, capture_output=True, timeout=60)
    driver, offset = superblock.PLACES[kind]
    with path.open("rb") as file:
        file.seek(offset)
        found = superblock.read(kind, file.read(superblock.BYTES))
    assert (found.driver, found.fault, found.devices, found.unclean) == (driver, "", 1, False)
    assert features.unknown(driver, found.words, has) == ()
    missing = {each.name for each in features.unknown(driver, found.words, lacks)}
    assert feature in missing if feature else not {"unknown"} & missing


@pytest.mark.parametrize(
    ("driver", "word", "value", "expected"),
    [
        ("ext", "incompat", 1 << 18, "unknown bit 18"),
        ("ext", "incompat", 0x2C2, None),  # filetype, extent, 64bit, flex_bg: what mke2fs makes by default
        ("ext", "incompat", 1 << 3, "journal_dev"),
        ("ext", "ro_compat", 1 << 31, "unknown bit 31"),
        ("xfs", "ro_compat", 1 << 4, "unknown bit 4"),
        ("xfs", "log_incompat", 1 << 1, "unknown bit 1"),
        ("btrfs", "incompat", 1 << 63, "unknown bit 63"),
        ("btrfs", "incompat", 1 << 13, "extent_tree_v2"),
        ("btrfs", "ro_compat", 1 << 4, "unknown bit 4"),
    ],
)
def test_no_kernel_takes_a_bit_that_none_knows(driver: str, word: str, value: int, expected: str | None) -> None:
    found = features.unknown(driver, ((word, value),), NEWEST)
    assert [feature.name for feature in found] == ([expected] if expected else [])


@pytest.mark.parametrize("kind", superblock.PLACES)
def test_other_bytes_are_a_fault(kind: str) -> None:
    assert "no magic number" in superblock.read(kind, bytes(superblock.BYTES)).fault
    assert "past the end" in superblock.read(kind, b"").fault


def test_states_that_speak_against_a_file_system() -> None:
    # Struct offsets: Documentation/filesystems/ext4/super.rst; xfs_dsb; jfs_superblock.h.
    ext = bytearray(1024)
    ext[0x38:0x3A] = b"\x53\xef"
    ext[0x3A] = 3  # clean, and errors
    assert "errors" in superblock.read("ext4", bytes(ext)).fault
    xfs = bytearray(1024)
    xfs[:4] = b"XFSB"
    xfs[100:102] = b"\xb4\xa5"
    xfs[216:220] = b"\0\0\0\x10"
    assert "xfs_repair" in superblock.read("xfs", bytes(xfs)).fault
    xfs[100:102] = b"\0\x03"
    assert "version is 3" in superblock.read("xfs", bytes(xfs)).fault
    jfs = bytearray(b"JFS1\x02\0\0\0".ljust(1024, b"\0"))
    jfs[40] = 1
    assert superblock.read("jfs", bytes(jfs)).unclean
    jfs[40] = 2
    assert "damaged" in superblock.read("jfs", bytes(jfs)).fault
    jfs[4] = 3
    assert "version is 3" in superblock.read("jfs", bytes(jfs)).fault
