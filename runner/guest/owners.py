"""Which files own the bytes of a disk, as far as the appliance's tools can tell; the rest is told as such.

On ext2/3/4 debugfs answers without mounting: `icheck` tells the inode of a block, `ncheck` a path of an inode. XFS is
mounted, and each of its files asked where it lies (FIEMAP, as filefrag prints it): that takes a while on many files.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from runner.guest.appliance import Appliance
from runner.guest.extents import SPANS_MOST, files_of

Span = tuple[int, int]  # offset and length in bytes

_EXT = ("ext2", "ext3", "ext4")
_XFS = "xfs"
# Blocks a question: a command line of the appliance's shell takes 128 KiB in one word, a number up to 11 characters.
_ASKED = 8000
# Each question reads all inode tables; no list of files helps beyond a GiB of drift.
_BYTES_MOST = 1 << 30
_SECTOR = 512
# "Special inodes" of the ext4 disk layout (kernel documentation).
_SPECIAL = {1: "bad blocks", 3: "user quota", 4: "group quota", 5: "boot loader", 7: "resize", 8: "journal"}
_BLOCK_SIZE = re.compile(r"^Block size:\s+([0-9]+)$", re.MULTILINE)
_PAIR = re.compile(r"^([0-9]+)\t(.+)$", re.MULTILINE)
_SEGMENT = re.compile(r"^([0-9]+) ([0-9]+) linear ([0-9]+:[0-9]+) ([0-9]+)$")


@dataclass(frozen=True)
class Owned:
    """How many of the asked bytes of a disk (from 0) a file owns, in whole blocks of its file system."""

    disk: int
    device: str
    path: str
    bytes: int


@dataclass(frozen=True)
class Unowned:
    """Asked bytes of a disk of which nobody could say whose they are, and why."""

    disk: int
    bytes: int
    why: str


@dataclass(frozen=True)
class Owners:
    """The files, largest first, and the rest."""

    files: tuple[Owned, ...]
    rest: tuple[Unowned, ...]


@dataclass(frozen=True)
class Piece:
    """A part of a device: `length` bytes from `inside` on lie on `disk` from `at` on."""

    disk: int
    at: int
    length: int
    inside: int


def find_owners(appliance: Appliance, asked: Sequence[Sequence[Span]]) -> Owners:
    """Whose the asked bytes are; `asked` has the spans of each disk."""
    files: list[Owned] = []
    rest: list[Unowned] = []
    unseen = [sum(length for _, length in spans) for spans in asked]
    for device in appliance.volumes():
        kind = appliance.blkid(device).get("TYPE", "")
        if kind == "LVM2_member":  # its logical volumes are looked at themselves
            continue
        for disk, spans in sorted(_inside(_pieces(appliance, device), asked).items()):
            length = sum(one for _, one in spans)
            unseen[disk] -= length
            if kind in _EXT or (kind == _XFS and len(spans) <= SPANS_MOST):
                told = _ext_files(appliance, device, spans) if kind in _EXT else files_of(appliance, device, spans)
                owned = [Owned(disk, device, _clean(path), size) for size, path in told]
                files += owned
                left = length - sum(one.bytes for one in owned)
                why = f"free, metadata or deleted files of the {kind} on {device}"
                if length > _BYTES_MOST:
                    why += ", or more than is looked up"
            else:
                left, why = length, f"{f'{kind} on ' if kind else ''}{device}, which cannot be read by file"
            if left > 0:
                rest.append(Unowned(disk, left, why))
    rest += [Unowned(disk, left, "outside of every file system") for disk, left in enumerate(unseen) if left > 0]
    return Owners(tuple(sorted(files, key=lambda f: (f.disk, -f.bytes, f.path))), tuple(rest))


def overlap(span: Span, piece: Piece) -> Span | None:
    """The part of a disk's span that lies in a piece of a device, as a span of the device."""
    first, last = max(span[0], piece.at), min(span[0] + span[1], piece.at + piece.length)
    return (first - piece.at + piece.inside, last - first) if first < last else None


def parse_pairs(said: str) -> dict[int, str]:
    """Lines of a number, a tab and the rest, as `icheck` and `ncheck` print them, without their headings."""
    return {int(number): rest for number, rest in _PAIR.findall(said)}


def parse_segments(table: str) -> list[tuple[int, int, str, int]] | None:
    """`dmsetup table` of a linear device: (first byte, bytes, major:minor, first byte there); None for other kinds."""
    found = []
    for line in table.strip().splitlines():
        match = _SEGMENT.match(line.strip())
        if match is None:
            return None
        first, length, number, at = match.groups()
        found.append((int(first) * _SECTOR, int(length) * _SECTOR, number, int(at) * _SECTOR))
    return found


def _inside(pieces: Iterable[Piece], asked: Sequence[Sequence[Span]]) -> dict[int, list[Span]]:
    """By disk, the asked spans that lie on a device, as spans of the device."""
    found: dict[int, list[Span]] = {}
    for piece in pieces:
        for span in asked[piece.disk]:
            part = overlap(span, piece)
            if part is not None:
                found.setdefault(piece.disk, []).append(part)
    return found


def _pieces(appliance: Appliance, device: str) -> Iterator[Piece]:
    """Where a device's bytes are; nothing for one that is not a plain part of disks (md, thin, mirrored)."""
    disk, _ = appliance.place(device)
    if disk is not None:
        disk, start, length = appliance.extent(device)
        yield Piece(disk, start, length, 0)
        return
    if device.startswith("/dev/md"):
        return
    segments = parse_segments(appliance.tool(["dmsetup", "table", device])) or []
    parents = _by_number(appliance) if segments else {}
    for inside, length, number, at in segments:
        if number in parents:
            disk, start, _ = appliance.extent(parents[number])
            yield Piece(disk, start + at, length, inside)


def _by_number(appliance: Appliance) -> Mapping[str, str]:
    """Partitions and disks by the appliance kernel's major:minor."""
    listed = appliance.tool(["lsblk", "--noheadings", "--raw", "--paths", "--output", "KNAME,MAJ:MIN"])
    numbers = dict(line.split() for line in listed.splitlines() if len(line.split()) == 2)
    # The appliance's kernel may name disks in another order than libguestfs does; blkid knows its name.
    names = {appliance.blkid(one).get("DEVNAME", ""): one for one in appliance.volumes()}
    return {numbers[kernel]: name for kernel, name in names.items() if kernel in numbers}


def _ext_files(appliance: Appliance, device: str, spans: Sequence[Span]) -> Iterator[tuple[int, str]]:
    name = appliance.blkid(device)["DEVNAME"]
    told = _BLOCK_SIZE.search(appliance.tool(["debugfs", "-R", "show_super_stats -h", name]))
    if told is None:
        return
    size = int(told[1])
    inside = {block for at, length in spans for block in range(at // size, -(-(at + length) // size))}
    blocks = sorted(inside)[: _BYTES_MOST // size]
    inodes: Counter[int] = Counter()
    for first in range(0, len(blocks), _ASKED):
        question = " ".join(map(str, blocks[first : first + _ASKED]))
        said = parse_pairs(appliance.tool(["debugfs", "-R", f"icheck {question}", name]))
        inodes.update(int(inode) for inode in said.values() if inode.isdecimal())
    paths: dict[int, str] = {}
    asked = sorted(set(inodes) - set(_SPECIAL))
    for first in range(0, len(asked), _ASKED):
        question = " ".join(map(str, asked[first : first + _ASKED]))
        paths |= parse_pairs(appliance.tool(["debugfs", "-R", f"ncheck {question}", name]))
    for inode, count in inodes.items():
        yield count * size, f"[{_SPECIAL[inode]}]" if inode in _SPECIAL else paths.get(inode, f"[inode {inode}]")


def _clean(path: str) -> str:
    """A path as it may be shown: the guest chose it, and debugfs begins those in its root with two slashes."""
    return "".join(c if c.isprintable() else "?" for c in path.replace("//", "/", 1))
