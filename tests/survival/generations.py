"""What changes between two generations, and whether a generation is what it must be: all by looking at files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.survival.ground import DISKS, Replication
from tests.survival.holding import assert_holds
from tests.survival.quick_guest import injected

BLOCK = 512 * 1024
MIB = 1 << 20
# What the guest's owner changes on the source: in data, over a block's border, in a hole.
ON_SOURCE = (2 * MIB + 5, 33 * MIB + BLOCK - 10, 20 * MIB)
# What the destination wrote while it ran: beside the source's data, in an injected block, and behind the source's end.
BY_GUEST = (3 * MIB + 7, 40 * MIB + 300_000, 100 * MIB, 900 * MIB + 3)


def scribble(file: Path, places: tuple[int, ...], text: bytes) -> None:
    with open(file, "r+b") as held:
        for at in places:
            held.seek(at)
            held.write(text)


def blocks(content: bytes, other: bytes) -> set[int]:
    """Numbers of the blocks in which two contents differ; the shorter one is followed by zeroes."""
    size = max(len(content), len(other))
    one, two = content.ljust(size, b"\0"), other.ljust(size, b"\0")
    return {at // BLOCK for at in range(0, size, BLOCK) if one[at : at + BLOCK] != two[at : at + BLOCK]}


def is_up_to_date(made: Replication, generation: int) -> None:
    """The snapshots hold the source as it is now, the volumes that and the injection; the manifest says so."""
    holds(made, generation, {disk: made.source(disk).read_bytes() for disk in DISKS})


def holds(made: Replication, generation: int, contents: Mapping[str, bytes]) -> None:
    """The snapshots hold these contents by disk id, the volumes those and the injection; the manifest says so."""
    manifest = made.manifest(generation)
    assert (manifest["status"], manifest["generation"]) == ("finished", generation)
    assert set(made.records(generation)) == set(contents)
    for disk, content in contents.items():
        assert made.records(generation)[disk]["volume_id"] == made.outputs()["volumes"][disk]
        assert_holds(made.snapshot_file(generation, disk), content)
        assert_holds(made.volume_file(disk), injected(content))
