"""Reading snapshots through the EBS direct APIs: 512 KiB blocks, each checked against EBS's own SHA-256.

Source: "Use EBS direct APIs to access the contents of an EBS snapshot". Blocks that a snapshot does not list are
zeroes.
"""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypedDict

from botocore.exceptions import ClientError

from runner.aws.account import Account, aws_errors
from runner.aws.pace import Pace
from schemas.errors import HotaddError, IntegrityViolated

BLOCK = 512 * 1024
# "Endpoints and quotas for EBS direct APIs": 50 ListSnapshotBlocks and 50 ListChangedBlocks a second and account.
_LISTS = Pace(50)
_RESTARTS = 5  # of a listing whose token expires again and again without one new block
# Seconds: a snapshot that EC2 calls completed may be unknown to EBS direct for two minutes; this is four.
_UNKNOWN_PAUSES = (1.0, 2.0, 5.0, 10.0, *(20.0,) * 11)


class _Start(TypedDict, total=False):
    NextToken: str
    StartingBlockIndex: int


_Page = tuple[list[tuple[int, str, str]], str]


class _TokenExpired(Exception):
    """A page token is too old."""


class _NotThere(Exception):
    """EBS direct does not know the snapshot, or not as completed."""


class SnapshotUnknown(HotaddError):
    """EBS direct does not know a snapshot, long after it was made."""

    def __init__(self, action: str, said: str) -> None:
        super().__init__(
            f"{action} does not know the snapshot: {said}",
            "Look whether somebody deletes snapshots (a lifecycle policy?), then run the same command again.",
        )
        self.action = action


class ListingBroken(HotaddError):
    """A listing's page tokens expire at once, again and again. `block` is where it stands."""

    def __init__(self, action: str, block: int) -> None:
        super().__init__(
            f"{action} does not get beyond block {block}: its page tokens expire at once.",
            "Check this machine's clock, then run the same command again.",
        )
        self.action = action
        self.block = block


class BlockDamaged(IntegrityViolated):
    """A block came with another checksum than EBS gave for it."""

    def __init__(self, snapshot_id: str, index: int) -> None:
        super().__init__(
            f"Block {index} of {snapshot_id} does not have the checksum that EBS sent with it.",
            "Run the command again; if it stays, the snapshot is damaged.",
        )
        self.snapshot_id = snapshot_id
        self.index = index


@dataclass(frozen=True)
class SnapshotBlock:
    """A block that a snapshot holds: its number (offset / 512 KiB) and the token that reads it."""

    index: int
    token: str


def list_blocks(account: Account, snapshot_id: str) -> Iterator[SnapshotBlock]:
    """The blocks a completed snapshot holds, in order."""

    def call(at: _Start) -> _Page:
        page = account.ebs.list_snapshot_blocks(SnapshotId=snapshot_id, **at)
        rows = [(b["BlockIndex"], b["BlockToken"], "") for b in page.get("Blocks", [])]
        return rows, page.get("NextToken", "")

    for index, token, _ in _listed("ebs:ListSnapshotBlocks", call):
        yield SnapshotBlock(index, token)


@dataclass(frozen=True)
class ChangedBlock:
    """A block that may differ between two snapshots: its number, and the token that reads it in either.

    A token is empty where that snapshot does not hold the block: it is zeroes there.
    """

    index: int
    first_token: str
    second_token: str


def changed_blocks(account: Account, first: str, second: str) -> Iterator[ChangedBlock]:
    """The blocks that may differ between two completed snapshots of one volume, in order: a superset.

    EBS tells what was written, not what differs ("ListChangedBlocks" of the EBS direct API reference).
    """

    def call(at: _Start) -> _Page:
        page = account.ebs.list_changed_blocks(FirstSnapshotId=first, SecondSnapshotId=second, **at)
        rows = [
            (b["BlockIndex"], b.get("FirstBlockToken", ""), b.get("SecondBlockToken", ""))
            for b in page.get("ChangedBlocks", [])
        ]
        return rows, page.get("NextToken", "")

    for index, before, after in _listed("ebs:ListChangedBlocks", call):
        yield ChangedBlock(index, before, after)


def _listed(action: str, call: Callable[[_Start], _Page]) -> Iterator[tuple[int, str, str]]:
    """Every row of a listing, page by page.

    A page token lives an hour ("NextToken" of the API reference): when it has expired, the listing goes on at the
    block after the last one that came. A new snapshot may be unknown to EBS direct for a while after EC2 calls it
    completed; until the first page came, that is waited for.
    """
    at: _Start = {}
    last, restarts, unknown = -1, 0, 0
    while True:
        _LISTS.wait()
        try:
            with aws_errors(action), _faults():
                rows, token = call(at)
        except _TokenExpired:
            if restarts == _RESTARTS:
                raise ListingBroken(action, last + 1) from None
            restarts += 1
            at = {"StartingBlockIndex": last + 1}
            continue
        except _NotThere as missing:
            if last >= 0 or unknown == len(_UNKNOWN_PAUSES):
                raise SnapshotUnknown(action, str(missing)) from None
            time.sleep(_UNKNOWN_PAUSES[unknown])
            unknown += 1
            continue
        for row in rows:
            if row[0] > last:  # a listing that was begun again in the middle may repeat itself
                yield row
                last, restarts = row[0], 0
        if not token:
            return
        at = {"NextToken": token}


@contextmanager
def _faults() -> Iterator[None]:
    """Pick out the two errors that a listing lives with."""
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        reason = str(error.response.get("Reason", ""))
        if reason == "INVALID_PAGE_TOKEN":
            raise _TokenExpired from error
        if code == "ResourceNotFoundException" or reason == "INVALID_SNAPSHOT_ID":
            raise _NotThere(str(error.response.get("Error", {}).get("Message", ""))) from error
        raise


def read_block(account: Account, snapshot_id: str, block: SnapshotBlock) -> bytes:
    """The 512 KiB of a block. Raises `BlockDamaged`."""
    with aws_errors("ebs:GetSnapshotBlock"):
        answer = account.ebs.get_snapshot_block(SnapshotId=snapshot_id, BlockIndex=block.index, BlockToken=block.token)
        data: bytes = answer["BlockData"].read()
    if base64.b64encode(hashlib.sha256(data).digest()).decode() != answer["Checksum"]:
        raise BlockDamaged(snapshot_id, block.index)
    return data
