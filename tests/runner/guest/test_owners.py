"""Whose blocks are: parsing what the appliance's tools print, and one real look at disks whose blocks are known.

debugfs on this machine says which blocks a file has (`blocks`); the look inside the appliance must say the same the
other way round.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from runner.guest.conversion import GuestDisk
from runner.guest.owners import Piece, overlap, parse_pairs, parse_segments
from runner.guest.ownership import whose
from tests.runner.guest import small_guest

MIB = 1 << 20
PARTITION = MIB  # where the small guest's one partition begins

# debugfs 1.47 on an ext4: a block of a file, one of the journal, one that nobody owns.
ICHECK = "Block\tInode number\n4132\t15\n20000\t8\n9000\t<block not found>\n"
NCHECK = "Inode\tPathname\n12\t//etc\n15\t/srv/orders.txt\n"


def test_what_debugfs_prints_is_read() -> None:
    assert parse_pairs(ICHECK) == {4132: "15", 20000: "8", 9000: "<block not found>"}
    assert parse_pairs(NCHECK) == {12: "//etc", 15: "/srv/orders.txt"}


def test_logical_volumes_are_read_if_they_are_linear() -> None:
    table = "0 2048 linear 8:2 2048\n2048 4096 linear 8:17 10240\n"
    assert parse_segments(table) == [(0, MIB, "8:2", MIB), (MIB, 2 * MIB, "8:17", 5 * MIB)]
    assert parse_segments("0 2048 thin 253:2 1\n") is None


@pytest.mark.parametrize(
    ("span", "found"),
    [
        ((0, 10), None),
        ((5, 10), (1000, 5)),
        ((12, 3), (1002, 3)),
        ((25, 10), (1015, 5)),
        ((0, 100), (1000, 20)),
        ((30, 1), None),
    ],
)
def test_a_span_is_cut_to_a_piece_of_a_device(span: tuple[int, int], found: tuple[int, int] | None) -> None:
    assert overlap(span, Piece(disk=0, at=10, length=20, inside=1000)) == found


@pytest.mark.guestfs
@pytest.mark.process
def test_the_files_of_blocks_are_those_that_debugfs_says_have_them(tmp_path: Path) -> None:
    """A third disk holds a file on XFS, whose extents xfs_db tells."""
    root, data = small_guest.build(tmp_path)
    size = _block_size(data)
    owned = [PARTITION + block * size for block in _blocks(data, "/orders.txt")]
    issue = PARTITION + _blocks(root, "/etc/os-release")[0] * size
    spans = [[(issue, size), (0, 512)], [(owned[0], 10 * size), (owned[-1], size), (PARTITION, 1024)]]
    other = tmp_path / "xfs.raw"
    at, length = _xfs(other, tmp_path)
    spans.append([(at - 8192, 12288), (at + length - 4096, 4096), (0, 512)])
    disks = [GuestDisk("root", root, True), GuestDisk("data", data, False), GuestDisk("xfs", other, False)]
    found = whose(disks, spans, tmp_path / "work")
    assert {(f.disk, f.path, f.bytes) for f in found.files} == {
        (0, "/etc/os-release", size),
        (1, "/orders.txt", 11 * size),
        (2, "/srv/mine", 8192),
    }
    assert sorted((r.disk, r.bytes) for r in found.rest) == [(0, 512), (1, 1024), (2, 8704)]
    assert "outside of every file system" in next(r.why for r in found.rest if r.disk == 0)


def _xfs(image: Path, directory: Path) -> tuple[int, int]:
    """A whole disk of XFS with two files; offset and length in bytes of `/srv/mine` on it, as xfs_db says."""
    content, prototype = directory / "content", directory / "prototype"
    content.write_bytes(b"file" * 100_000)
    files = f"other ---644 0 0 {content}\nsrv d--755 0 0\nmine ---644 0 0 {content}\n$\n$\n"
    prototype.write_text(f"/\n0 0\nd--755 0 0\n{files}")
    with open(image, "wb") as file:
        file.truncate(320 * MIB)
    subprocess.run(["mkfs.xfs", "-q", "-p", str(prototype), str(image)], check=True)
    words = _xfs_db(image, "path /srv/mine", "bmap").split()  # data offset 0 startblock 32792 (1/24) count 98 flag 0
    sector = _xfs_db(image, f"convert fsblock {words[4]} daddr").split()[0]
    return int(sector, 16) * 512, int(words[7]) * 4096


def _xfs_db(image: Path, *commands: str) -> str:
    words = [word for command in commands for word in ("-c", command)]
    return subprocess.run(["xfs_db", "-r", *words, str(image)], check=True, capture_output=True, text=True).stdout


def _debugfs(disk: Path, request: str) -> str:
    image = f"{disk}?offset={PARTITION}"
    return subprocess.run(["debugfs", "-R", request, image], check=True, capture_output=True, text=True).stdout


def _blocks(disk: Path, path: str) -> list[int]:
    return [int(block) for block in _debugfs(disk, f"blocks {path}").split()]


def _block_size(disk: Path) -> int:
    shown = _debugfs(disk, "show_super_stats -h")
    return int(next(line for line in shown.splitlines() if line.startswith("Block size:")).split()[-1])
