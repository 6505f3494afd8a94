"""Which blocks differ, against a model that compares whole disks; all in memory."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from blake3 import blake3
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.aws.waiting import Interrupted
from runner.blocks.digests import ZERO, DigestFile
from runner.drift.data import Verdict, find_drift, find_drift_in_all, ranges_of
from runner.drift.reference import DigestReference, SnapshotReference
from schemas.drift import DriftedRange
from schemas.manifest import DiskRecord, InjectedBlock, SourceRecord
from tests.runner.drift.ebs import BLOCK, MemoryAccount

BLOCKS = 6
Disk = dict[int, int]  # number of a block to the byte that fills it; not held: zeroes


def digest(byte: int) -> bytes:
    return blake3(bytes([byte]) * BLOCK).digest(length=16)


def record(injected: Disk) -> DiskRecord:
    blocks = tuple(InjectedBlock(i * BLOCK, BLOCK, digest(byte).hex()) for i, byte in sorted(injected.items()))
    source = SourceRecord("root.raw", "raw", BLOCKS * BLOCK, 0, 0, 0)
    return DiskRecord("root", "vol-1", BLOCKS * BLOCK, source, "first", "root.digests", "0" * 64, "0" * 32, blocks)


def digests(directory: Path, source: Disk) -> DigestFile:
    path = directory / "root.digests"
    file = DigestFile.create(path, disk="root", generation=1, size=BLOCKS * BLOCK)
    for index in range(BLOCKS):
        file.set(index, digest(source[index]) if source.get(index) else ZERO)
    file.seal()
    file.publish()
    file.close()
    return DigestFile.open(path)


def drifted(source: Disk, injected: Disk, now: Disk) -> list[Verdict]:
    """The model: every block of the whole volume, as bytes."""
    expected = source | injected
    return [Verdict(i, i in injected) for i in range(BLOCKS) if expected.get(i, 0) != now.get(i, 0)]


disks = st.dictionaries(st.integers(0, BLOCKS - 1), st.integers(0, 3), max_size=BLOCKS)


@pytest.mark.thorough
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(source=disks, injected=disks, changes=disks, rewritten=st.frozensets(st.integers(0, BLOCKS - 1)))
def test_every_way_finds_what_differs_and_nothing_else(
    tmp_path: Path, source: Disk, injected: Disk, changes: Disk, rewritten: frozenset[int]
) -> None:
    now = source | injected | changes
    account = MemoryAccount(snapshots={"first": source, "now": now}, rewritten=rewritten)
    expected, looked = drifted(source, injected, now), lambda _: None
    one = record(injected)
    with closing(digests(tmp_path, source)) as file:
        reference = DigestReference(file)
        assert list(find_drift(account, one, "now", reference, lambda: False, looked)) == expected
        assert list(find_drift_in_all(account, one, "now", reference, lambda: False, looked)) == expected
    by_reading = SnapshotReference(account, "first", frozenset(injected))
    assert list(find_drift(account, one, "now", by_reading, lambda: False, looked)) == expected


def test_it_stops_when_it_is_asked_to() -> None:
    account = MemoryAccount(snapshots={"first": {0: 1}, "now": {0: 2}})
    reference = SnapshotReference(account, "first", frozenset())
    with pytest.raises(Interrupted):
        list(find_drift(account, record({}), "now", reference, lambda: True, lambda _: None))


def test_neighbours_are_one_range_unless_injection_wrote_one_of_them() -> None:
    verdicts = [Verdict(1, False), Verdict(2, False), Verdict(3, True), Verdict(5, True)]
    assert ranges_of(verdicts, 5 * BLOCK + 4096) == (
        DriftedRange(BLOCK, 2 * BLOCK, False),
        DriftedRange(3 * BLOCK, BLOCK, True),
        DriftedRange(5 * BLOCK, 4096, True),
    )
