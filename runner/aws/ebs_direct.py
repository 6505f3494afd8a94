"""Reading snapshots through the EBS direct APIs: 512 KiB blocks, each checked against EBS's own SHA-256.

Source: "Use EBS direct APIs to access the contents of an EBS snapshot". Blocks that a snapshot does not list are
zeroes.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.aws.account import Account, aws_errors
from schemas.errors import IntegrityViolated

if TYPE_CHECKING:
    from mypy_boto3_ebs.client import EBSClient

BLOCK = 512 * 1024


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
    ebs: EBSClient = account.ebs
    token = ""
    while True:
        with aws_errors("ebs:ListSnapshotBlocks"):
            page = (
                ebs.list_snapshot_blocks(SnapshotId=snapshot_id, NextToken=token)
                if token
                else ebs.list_snapshot_blocks(SnapshotId=snapshot_id)
            )
        for block in page.get("Blocks", []):
            yield SnapshotBlock(block["BlockIndex"], block["BlockToken"])
        token = page.get("NextToken", "")
        if not token:
            return


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
    ebs: EBSClient = account.ebs
    token = ""
    while True:
        with aws_errors("ebs:ListChangedBlocks"):
            page = (
                ebs.list_changed_blocks(FirstSnapshotId=first, SecondSnapshotId=second, NextToken=token)
                if token
                else ebs.list_changed_blocks(FirstSnapshotId=first, SecondSnapshotId=second)
            )
        for block in page.get("ChangedBlocks", []):
            yield ChangedBlock(block["BlockIndex"], block.get("FirstBlockToken", ""), block.get("SecondBlockToken", ""))
        token = page.get("NextToken", "")
        if not token:
            return


def read_block(account: Account, snapshot_id: str, block: SnapshotBlock) -> bytes:
    """The 512 KiB of a block. Raises `BlockDamaged`."""
    with aws_errors("ebs:GetSnapshotBlock"):
        answer = account.ebs.get_snapshot_block(SnapshotId=snapshot_id, BlockIndex=block.index, BlockToken=block.token)
        data: bytes = answer["BlockData"].read()
    if base64.b64encode(hashlib.sha256(data).digest()).decode() != answer["Checksum"]:
        raise BlockDamaged(snapshot_id, block.index)
    return data
