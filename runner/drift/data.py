"""Data drift of one disk: blocks that hold neither the source's bytes nor those that injection left there."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

from runner.aws.account import Account
from runner.aws.ebs_direct import ChangedBlock, SnapshotBlock, changed_blocks, list_blocks, read_block
from runner.aws.waiting import Interrupted
from runner.blocks.digests import digest_of
from runner.blocks.extent import BLOCK
from runner.drift.reference import ZEROES, DigestReference, Reference
from schemas.drift import DriftedRange
from schemas.manifest import DiskRecord

# GetSnapshotBlock answers in tens of milliseconds; EBS allows 1,000 a second an account.
_READERS = 16
_BATCH = 1024  # blocks whose verdicts are awaited at once: what is held in memory


@dataclass(frozen=True)
class Verdict:
    """One block that differs."""

    index: int
    injected: bool


def find_drift(
    account: Account,
    record: DiskRecord,
    now: str,
    reference: Reference,
    stop: Callable[[], bool],
    tell: Callable[[int], None],
) -> Iterator[Verdict]:
    """The blocks of snapshot `now` that differ from the replica as it was handed over, in order.

    Outside the injected blocks those that `changed_blocks` names and whose bytes really differ from the source's;
    inside them all whose bytes differ from the after-digests in the manifest. `tell` hears how many blocks were looked
    at.
    """
    changed = changed_blocks(account, record.integrity_snapshot_id, now)
    return _judged(account, now, _with_injected(changed, _injected(record)), record, reference, stop, tell)


def find_drift_in_all(
    account: Account,
    record: DiskRecord,
    now: str,
    reference: DigestReference,
    stop: Callable[[], bool],
    tell: Callable[[int], None],
) -> Iterator[Verdict]:
    """As `find_drift`, without an integrity snapshot: every block that holds data now, or did, is looked at."""
    held = (ChangedBlock(block.index, "", block.token) for block in list_blocks(account, now))
    should = (ChangedBlock(index, "", "") for index in reference.data_blocks())
    every = _with_injected(_distinct(heapq.merge(held, should, key=_place)), _injected(record))
    return _judged(account, now, every, record, reference, stop, tell, all_listed=True)


def ranges_of(verdicts: Iterable[Verdict], volume_bytes: int) -> tuple[DriftedRange, ...]:
    """Verdicts in order as ranges of bytes: neighbours of one kind together, the last one cut at the volume's end."""
    found: list[DriftedRange] = []
    for verdict in verdicts:
        offset = verdict.index * BLOCK
        length = min(BLOCK, volume_bytes - offset) if offset < volume_bytes else BLOCK
        last = found[-1] if found else None
        if last is not None and last.offset + last.length == offset and last.injected == verdict.injected:
            found[-1] = DriftedRange(last.offset, last.length + length, last.injected)
        else:
            found.append(DriftedRange(offset, length, verdict.injected))
    return tuple(found)


@dataclass(frozen=True)
class _Candidate:
    """A block to look at; `listed`: it is known to be zeroes now if it has no token."""

    block: ChangedBlock
    listed: bool


def _judged(
    account: Account,
    now: str,
    candidates: Iterable[_Candidate],
    record: DiskRecord,
    reference: Reference,
    stop: Callable[[], bool],
    tell: Callable[[int], None],
    *,
    all_listed: bool = False,
) -> Iterator[Verdict]:
    injected = _injected(record)

    def judge(candidate: _Candidate) -> Verdict | None:
        block = candidate.block
        expected = injected.get(block.index) or reference.digest(block)
        if block.second_token:
            data = read_block(account, now, SnapshotBlock(block.index, block.second_token))
            found = digest_of(memoryview(data))
        elif candidate.listed or all_listed:
            found = ZEROES
        else:  # an injected block that EBS does not name: it is as the integrity snapshot has it
            found = reference.digest(block)
        return None if found == expected else Verdict(block.index, block.index in injected)

    looked, rest = 0, iter(candidates)
    with ThreadPoolExecutor(max_workers=_READERS) as readers:
        while batch := list(islice(rest, _BATCH)):
            if stop():
                raise Interrupted(f"comparing disk {record.id}")
            yield from (verdict for verdict in readers.map(judge, batch) if verdict is not None)
            looked += len(batch)
            tell(looked)


def _injected(record: DiskRecord) -> Mapping[int, bytes]:
    """The after-digest of each injected block, by number."""
    return {block.offset // BLOCK: bytes.fromhex(block.digest) for block in record.injected}


def _with_injected(changed: Iterable[ChangedBlock], injected: Mapping[int, bytes]) -> Iterator[_Candidate]:
    """All of `changed`, and the injected blocks that it does not name, in order."""
    named = (_Candidate(block, True) for block in changed)
    others = (_Candidate(ChangedBlock(index, "", ""), False) for index in sorted(injected))
    last = -1
    for candidate in heapq.merge(named, others, key=lambda c: (c.block.index, not c.listed)):
        if candidate.block.index != last:
            last = candidate.block.index
            yield candidate


def _distinct(blocks: Iterable[ChangedBlock]) -> Iterator[ChangedBlock]:
    last = -1
    for block in blocks:
        if block.index != last:
            last = block.index
            yield block


def _place(block: ChangedBlock) -> tuple[int, bool]:
    return block.index, not block.second_token  # of two of a number, the one that can be read
